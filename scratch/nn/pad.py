"""Padding layers: they keep their options; the mathematics is in scratch/ops/conv/pad.py."""

from torch import Tensor, nn

from scratch.nn import functional as F
from scratch.nn.layer import Layer
from scratch.ops.conv.window import Sizes, pair


class Pad(Layer):
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
    """One number all around; any number of dimensions before."""

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


class ConstantPad1d(ConstantPad, nn.ConstantPad1d):
    """A constant around a line."""

    dims = 1


class ConstantPad2d(ConstantPad, nn.ConstantPad2d):
    """A constant around an image."""

    dims = 2


class ConstantPad3d(ConstantPad, nn.ConstantPad3d):
    """A constant around a volume."""

    dims = 3


class ZeroPad1d(ZeroPad, ConstantPad1d, nn.ZeroPad1d):
    """Zeros around a line."""


class ZeroPad2d(ZeroPad, ConstantPad2d, nn.ZeroPad2d):
    """Zeros around an image."""


class ZeroPad3d(ZeroPad, ConstantPad3d, nn.ZeroPad3d):
    """Zeros around a volume."""


class ReflectionPad1d(ReflectionPad, nn.ReflectionPad1d):
    """A mirror around a line."""

    dims = 1


class ReflectionPad2d(ReflectionPad, nn.ReflectionPad2d):
    """A mirror around an image."""

    dims = 2


class ReflectionPad3d(ReflectionPad, nn.ReflectionPad3d):
    """A mirror around a volume."""

    dims = 3


class ReplicationPad1d(ReplicationPad, nn.ReplicationPad1d):
    """The border around a line."""

    dims = 1


class ReplicationPad2d(ReplicationPad, nn.ReplicationPad2d):
    """The border around an image."""

    dims = 2


class ReplicationPad3d(ReplicationPad, nn.ReplicationPad3d):
    """The border around a volume."""

    dims = 3


class CircularPad1d(CircularPad, nn.CircularPad1d):
    """The other end around a line."""

    dims = 1


class CircularPad2d(CircularPad, nn.CircularPad2d):
    """The other end around an image."""

    dims = 2


class CircularPad3d(CircularPad, nn.CircularPad3d):
    """The other end around a volume."""

    dims = 3
