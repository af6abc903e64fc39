"""Padding layers: they keep their options; the mathematics is in scratch/ops/conv/pad.py."""

from torch import Tensor
from torch.nn import Module

from scratch.nn import functional as F
from scratch.ops.conv.window import Sizes, pair


class Pad(Module):
    """More of the last ``dims`` dimensions: padding = (left, right, top, bottom, front, back), or one number for all;
    negative numbers crop."""

    dims: int
    mode: str

    def __init__(self, padding: int | Sizes) -> None:
        super().__init__()
        self.padding = pair(padding, 2 * self.dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad(Pad):
    """The same number all around; any number of dimensions before."""

    def __init__(self, padding: int | Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad(ConstantPad):
    """Zeros all around; any number of dimensions before."""

    def __init__(self, padding: int | Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad(Pad):
    """The input mirrored on its border elements; (N, C, *S) or (C, *S)."""

    mode = "reflect"


class ReplicationPad(Pad):
    """The border elements again and again; (N, C, *S) or (C, *S)."""

    mode = "replicate"


class CircularPad(Pad):
    """The input from its other end; (N, C, *S) or (C, *S)."""

    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (self.dims + 1, self.dims + 2):
            raise ValueError(f"expected {self.dims + 1} or {self.dims + 2} dimensions, but got {tuple(input.shape)}")
        return super().forward(input)


class ConstantPad1d(ConstantPad):
    """A constant around a line."""

    dims = 1


class ConstantPad2d(ConstantPad):
    """A constant around an image."""

    dims = 2


class ConstantPad3d(ConstantPad):
    """A constant around a volume."""

    dims = 3


class ZeroPad1d(ZeroPad):
    """Zeros around a line."""

    dims = 1


class ZeroPad2d(ZeroPad):
    """Zeros around an image."""

    dims = 2


class ZeroPad3d(ZeroPad):
    """Zeros around a volume."""

    dims = 3


class ReflectionPad1d(ReflectionPad):
    """A mirror around a line."""

    dims = 1


class ReflectionPad2d(ReflectionPad):
    """A mirror around an image."""

    dims = 2


class ReflectionPad3d(ReflectionPad):
    """A mirror around a volume."""

    dims = 3


class ReplicationPad1d(ReplicationPad):
    """The border around a line."""

    dims = 1


class ReplicationPad2d(ReplicationPad):
    """The border around an image."""

    dims = 2


class ReplicationPad3d(ReplicationPad):
    """The border around a volume."""

    dims = 3


class CircularPad1d(CircularPad):
    """The other end around a line."""

    dims = 1


class CircularPad2d(CircularPad):
    """The other end around an image."""

    dims = 2


class CircularPad3d(CircularPad):
    """The other end around a volume."""

    dims = 3
