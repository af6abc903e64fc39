"""Somebody's model on hand-written gradients: every layer of torch.nn in it becomes its counterpart in scratch.nn.

    model = convert(torchvision.models.resnet18())      # the same parameters, in a tree of its own
    with by_hand():                                     # and what the model calls as functions, F.relu, F.linear
        loss = model(images).sum()
    native = revert(model)                              # torch.nn's layers again: to script, to quantise

A layer of scratch.nn keeps the attributes of its namesake, so that the counterpart is a new object of the other class
with the same contents: parameters and buffers are shared, not copied; hooks, train or eval state and everything that
was hung on the module stay; a submodule that stands in two places is converted once. The module given is not changed.

A class that somebody derived from a layer of torch.nn is derived once more, from it and from our layer. What it
overrides stays overridden, what it inherits or calls by ``super()`` is ours, and ``isinstance`` answers as before.
"""

import copy
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.modules.module import _WrappedHook
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized
from torch.overrides import TorchFunctionMode

import scratch.nn
from scratch.nn import functional
from scratch.nn.attention import NonDynamicallyQuantizableLinear
from scratch.nn.layer import Layer, native

COUNTERPARTS: dict[type, type] = {  # torch.nn's classes and ours
    theirs: ours
    for name in scratch.nn.__all__
    if isinstance(ours := getattr(scratch.nn, name), type) and issubclass(ours, Layer)
    if isinstance(theirs := getattr(nn, name, None), type)
} | {nn.modules.linear.NonDynamicallyQuantizableLinear: NonDynamicallyQuantizableLinear}
NAMESAKES = {ours: theirs for theirs, ours in COUNTERPARTS.items()}  # and back; classes that were derived, too
CONTAINERS = (Module, nn.Sequential, ParametrizationList)  # they compute nothing themselves
OWN = [name for name, value in vars(Module()).items() if isinstance(value, (dict, set))]  # Module's bookkeeping
CUDNN = ("_flat_weight_refs", "_flat_weights")  # its view of recurrent weights


def convert(module: Module, strict: bool = False) -> Module:
    """A copy of the tree of modules, on the same parameters, with scratch.nn's layers for torch.nn's.

    What has no counterpart stays as it is, and a warning names it, a line each; with ``strict`` it is a TypeError.
    What a forward calls as a function is beyond reach here: see `by_hand`, and `audit`, which tells what is left. A
    lazy layer has to have seen an input; and a model is converted before it is compiled, not after.
    """
    left = list(unconverted(module))
    if left:
        message = "\n    ".join(["what torch goes on computing in this model:", *left])
        if strict:
            raise TypeError(message)
        warnings.warn(message, stacklevel=2)
    return Conversion(counterpart, functions()).of(module)


def revert(module: Module) -> Module:
    """A copy of the tree of modules, on the same parameters, with torch.nn's layers for scratch.nn's: for what takes
    those alone, such as torch.jit.script and quantisation. What torch.nn does not have stays as it is."""
    return Conversion(namesake, {ours: theirs for theirs, ours in functions().items()}).of(module)


def unconverted(module: Module) -> Iterator[str]:
    """A line for each module that goes on running native kernels: where it is, what it is, and why."""
    for name, child in module.named_modules():
        layer = next(kind for kind in type(child).__mro__ if "forward" in vars(kind))
        where = f"{name or 'the module'} ({type(child).__name__})"
        if isinstance(child, torch.jit.ScriptModule):
            yield f"{where}: it is a program of TorchScript"
        elif torchs(layer) and not issubclass(counterpart(type(child)), Layer):
            yield f"{where}: scratch.nn has no {layer.__name__}"


def torchs(kind: type) -> bool:
    return kind.__module__.startswith(("torch.nn.", "torch.ao.nn.")) and kind not in CONTAINERS


def counterpart(kind: Any) -> Any:
    """The class that computes by hand what this one does; itself where there is none."""
    layer = next((base for base in kind.__mro__ if base in COUNTERPARTS), None)
    if layer is None or issubclass(kind, Layer):
        return kind
    return COUNTERPARTS[layer] if kind is layer else derived(kind, COUNTERPARTS[layer])


def namesake(kind: type[Any]) -> type[Any]:
    return NAMESAKES.get(kind, kind)


@cache
def derived(kind: Any, layer: Any) -> Any:
    """The class, with our layer put between it and torch.nn's; itself if its own bases do not let that be done."""

    def body(namespace: dict[str, Any]) -> None:
        namespace.update({name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")})
        if kind.__reduce_ex__ is object.__reduce_ex__:
            namespace["__reduce_ex__"] = lambda self, protocol: (remade, (kind, layer), self.__getstate__())

    try:
        new = types.new_class(kind.__name__, (kind, layer), exec_body=body)
    except TypeError:  # no order of inheritance
        return kind
    if native(next(base for base in new.__mro__ if "forward" in vars(base))):
        return kind
    NAMESAKES[new] = kind
    return new


def remade(kind: Any, layer: Any) -> Module:
    """An empty object of a derived class, which pickle does not find by name."""
    new: Any = derived(kind, layer)
    return new.__new__(new)


class Conversion:
    """From one tree of modules to another: ``change`` says which class becomes which, ``functions`` the same of the
    activation that a Transformer's layer keeps."""

    def __init__(self, change: Callable[[type[Any]], type[Any]], functions: dict[Any, Any]) -> None:
        self.change, self.functions = change, functions
        self.done: dict[int, Any] = {}

    def of(self, module: Any) -> Any:
        if id(module) not in self.done:
            where = type(module).__name__
            if isinstance(module, LazyModuleMixin):
                raise TypeError(f"{where} has no size yet: call the model once first")
            if isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None:
                raise TypeError(f"{where} is compiled already: convert the model first, and compile it then")
            if isinstance(module, torch.jit.ScriptModule):
                return module
            kind: Any = self.kind(module)
            new = self.done[id(module)] = kind.__new__(kind)
            new.__setstate__(self.state(module, kind))
            if isinstance(module, torch.fx.GraphModule):  # whose forward is compiled from a graph, for each object
                new.graph = copy.deepcopy(module.graph)
        return self.done[id(module)]

    def kind(self, module: Module) -> type[Any]:
        kind = type(module)
        if not is_parametrized(module):
            return self.change(kind)
        # a class that torch made for this one module, to hold properties in the place of its parameters
        properties = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
        return type(kind.__name__, (self.change(kind.__bases__[0]),), properties)

    def state(self, module: Any, kind: type) -> dict[str, Any]:
        """The contents of the new object, as a copy would have them."""
        given = vars(module) if is_parametrized(module) else module.__getstate__()
        state = {}
        for name, value in given.items():
            new = self.follow(value)
            state[name] = value.copy() if new is value and name in OWN else new
        for name in ("__module__", *CUDNN):  # of a Layer, and of a recurrent layer of torch.nn
            state.pop(name, None)
        if issubclass(kind, nn.RNNBase) and not issubclass(kind, Layer):
            state["_flat_weights"] = list(module._flat_weights)
        if issubclass(kind, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)) and "activation" in state:
            state["activation"] = self.functions.get(state["activation"], state["activation"])
        return state

    def follow(self, value: Any) -> Any:
        """The value, with what it says of modules said of the converted ones."""
        if isinstance(value, Module):
            return self.of(value)
        if type(value) in (list, tuple, dict, OrderedDict) and id(value) not in self.done:
            self.done[id(value)] = value  # should it contain itself
            items = list(value.values() if isinstance(value, dict) else value)
            new = [self.follow(item) for item in items]
            if any(a is not b for a, b in zip(new, items, strict=True)):
                return type(value)(zip(value, new, strict=True) if isinstance(value, dict) else new)
        if isinstance(value, types.MethodType) and isinstance(value.__self__, Module):
            return getattr(self.of(value.__self__), value.__name__, value)
        if type(value) is partial:
            return partial(self.follow(value.func), *map(self.follow, value.args), **self.follow(value.keywords))
        if isinstance(value, _WrappedHook):
            return _WrappedHook(self.follow(value.hook), self.of(value.module()) if value.with_module else None)
        return value


class by_hand(TorchFunctionMode):
    """A context in which torch.nn.functional's functions are those of scratch.nn.functional, whoever calls them, and
    likewise those of torch and the methods of tensors that compute the same."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return func(*args, **kwargs) if "out" in kwargs else functions().get(func, func)(*args, **kwargs)


@cache
def functions() -> dict[Any, Callable[..., Any]]:
    """PyTorch's functions and methods, and for each the one by hand."""
    F = nn.functional
    found = {getattr(F, name): getattr(functional, name) for name in functional.__all__ if hasattr(F, name)}
    for place in (torch, torch.Tensor):
        found |= {getattr(place, name): getattr(functional, name) for name in SAME_SIGNATURE if hasattr(place, name)}
    for ours in (functional.softmax, functional.log_softmax):

        def rows(input: Tensor, dim: int, dtype: torch.dtype | None = None, ours: Any = ours) -> Tensor:
            return ours(input, dim, dtype=dtype)

        found |= {getattr(place, ours.__name__): rows for place in (torch, torch.Tensor, torch.special)}
    return found | {torch.special.expit: functional.sigmoid}


SAME_SIGNATURE = (  # as torch.x(…) or Tensor.x(…), too, with the same arguments in the same places
    *("alpha_dropout", "celu", "dropout", "feature_alpha_dropout", "group_norm", "hardshrink", "layer_norm"),
    *("max_pool1d", "max_pool2d", "max_pool3d", "prelu", "relu", "relu_", "rms_norm", "rrelu", "selu", "sigmoid"),
    *("tanh", "threshold"),
)
