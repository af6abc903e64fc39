"""Somebody's model on hand-written gradients: every layer of torch.nn in it becomes its counterpart in scratch.nn.

    model = convert(torchvision.models.resnet18())      # the same parameters, in a tree of its own
    with by_hand():                                     # and what the model calls as functions, F.relu, F.linear
        loss = model(images).sum()

A layer of scratch.nn keeps the attributes of its namesake, so that the counterpart is a new object of the other class
with the same contents: parameters and buffers are shared, not copied; hooks, train or eval state and everything that
was hung on the module stay; a submodule that stands in two places is converted once. The module given is not changed.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch.nn import Module
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode

import scratch.nn
from scratch.nn import functional

CUDNN = ("_all_weights", "_flat_weight_refs", "_flat_weights", "_flat_weights_names")  # its view of recurrent weights
CONTAINERS = ("Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")


def convert(module: Module, strict: bool = False) -> Module:
    """A copy of the tree of modules, on the same parameters, with scratch.nn's layers for torch.nn's.

    What has no counterpart stays as it is and is listed in a warning, each with the reason; with ``strict`` it is a
    TypeError. A module of another class, which is not from torch.nn, is copied with its children converted: what its
    own forward calls as a function is beyond reach here, see `by_hand`. A lazy layer has to have seen an input.
    """
    for name, child in module.named_modules():
        if isinstance(child, LazyModuleMixin):
            raise TypeError(
                f"{name or 'the module'} ({type(child).__name__}) has no size yet: call the model once first"
            )
    left = list(unconverted(module))
    if left:
        message = "not converted: " + "; ".join(left)
        if strict:
            raise TypeError(message)
        warnings.warn(message, stacklevel=2)
    return converted(module, {})


def native(kind: type) -> bool:
    return kind.__module__.startswith("torch.nn.")


def counterpart(module: Module) -> type | None:
    """The class of scratch.nn that computes what the module's class, or the layer it inherits forward from, does."""
    layer = next(kind for kind in type(module).__mro__ if "forward" in vars(kind))
    if not native(layer) or is_parametrized(module):
        return None
    return next(
        (getattr(scratch.nn, kind.__name__) for kind in type(module).__mro__ if native(kind) and offered(kind)), None
    )


def offered(kind: type) -> bool:
    return kind.__name__ not in CONTAINERS and kind.__name__ in scratch.nn.__all__


def unconverted(module: Module) -> Iterator[str]:
    """A line for each layer that has no counterpart: where it is, what it is, and why."""
    for name, child in module.named_modules():
        layers = [kind for kind in type(child).__mro__ if native(kind) and kind.__name__ not in CONTAINERS]
        if layers and counterpart(child) is None:
            if is_parametrized(child):
                reason = "its weights are parametrized"
            elif any(map(offered, layers)):
                reason = f"it has a forward of its own in place of that of {layers[0].__name__}"
            else:
                reason = f"scratch.nn has no {layers[0].__name__}"
            yield f"{name or 'the module'} ({type(child).__name__}): {reason}"


def converted(module: Module, done: dict[int, Module]) -> Module:
    if id(module) not in done:
        kind: Any = counterpart(module) or type(module)
        new = done[id(module)] = kind.__new__(kind)
        for name, value in vars(module).items():  # past __setattr__, which would look for parameters
            if name not in CUDNN:
                new.__dict__[name] = value.copy() if name.startswith("_") and isinstance(value, dict) else value
        new.__dict__["_modules"] = {
            name: child if child is None else converted(child, done) for name, child in module._modules.items()
        }
        activation = vars(module).get("activation")  # a function or a Module, kept by Transformer layers
        if isinstance(activation, Module):
            new.__dict__["activation"] = converted(activation, done)
        elif kind is not type(module) and activation in functions():
            new.__dict__["activation"] = functions()[activation]
    return done[id(module)]


class by_hand(TorchFunctionMode):
    """A context in which torch.nn.functional's functions are those of scratch.nn.functional, whoever calls them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return functions().get(func, func)(*args, **(kwargs or {}))


@cache
def functions() -> dict[Any, Any]:
    """PyTorch's functions and methods, and for each the one by hand."""
    found = {}
    for name in functional.__all__:
        ours = getattr(functional, name)
        for place in (torch.nn.functional, torch, torch.Tensor):
            theirs = getattr(place, name, None)
            if theirs is not None and (place is torch.nn.functional or name in SAME_SIGNATURE):
                found[theirs] = ours
    return found


SAME_SIGNATURE = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")  # as torch.x(…) and Tensor.x(…), too
