"""The base class of every layer: a torch.nn layer to whoever asks, with nothing of torch.nn's in it."""

from typing import Any

from torch.nn import Module
from torch.nn.modules.lazy import LazyModuleMixin

from scratch.ops.core.function import Traced


class Layer(Module):
    """`torch.nn.Module`, and the place in the order of inheritance where torch.nn's own layers are cut off.

    A layer names itself and its namesake, ``class Linear(Layer, nn.Linear)``, so that ``isinstance(layer, nn.Linear)``
    holds, which initialisers, converters, hooks and other people's models ask. It takes nothing from its namesake:
    ``__init__`` goes to Module's at once, and each of the namesake's methods that the layer does not define itself is
    Module's again, or absent. What is left are constants, such as the version of a state_dict.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "Layer":
        self = super().__new__(cls)
        if cls.forward.__module__.startswith("scratch.nn."):
            self.__dict__["__module__"] = "torch.nn"  # to torch.fx a layer that is one node of a graph
        return self

    def __init__(self) -> None:
        Module.__init__(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        namesakes = [kind for kind in cls.__mro__ if native(kind) and kind is not LazyModuleMixin]
        for name in {name for kind in namesakes for name, value in vars(kind).items() if is_method(value)}:
            if next(kind for kind in cls.__mro__ if name in vars(kind)) in namesakes:
                setattr(cls, name, getattr(Module, name, Absent(name)))

    def _slow_forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward`` while torch.jit.trace records."""
        with Traced():
            return super()._slow_forward(*args, **kwargs)

    def __prepare_scriptable__(self) -> Any:
        raise RuntimeError(
            f"torch.jit.script cannot compile {type(self).__name__}, whose backward pass is Python; "
            "use torch.jit.trace or torch.export, or script the model after scratch.revert(model)"
        )


def native(kind: type) -> bool:
    """Whether a class is one of torch.nn's layers."""
    return kind.__module__.startswith("torch.nn.modules.") and kind is not Module


def is_method(value: Any) -> bool:
    return callable(value) or isinstance(value, (property, classmethod, staticmethod))


class Absent:
    """What stands in the place of a method that torch.nn's layer has and ours does not."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, kind: type) -> Any:
        raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}", name=self.name, obj=layer)
