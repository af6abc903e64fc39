"""Fold and Unfold: they keep their options; the mathematics is in scratch/ops/conv/fold.py."""

from torch import Tensor, nn

from scratch.nn import functional as F
from scratch.nn.layer import Layer
from scratch.ops.conv.window import Sizes


class Unfold(Layer, nn.Unfold):
    """The windows of an image (N, C, H, W) or (C, H, W) as columns (N, C·K, L) or (C·K, L)."""

    def __init__(
        self,
        kernel_size: int | Sizes,
        dilation: int | Sizes = 1,
        padding: int | Sizes = 0,
        stride: int | Sizes = 1,
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Layer, nn.Fold):
    """Columns (N, C·K, L) or (C·K, L) added up to an image of the given size: the adjoint of `Unfold`."""

    def __init__(
        self,
        output_size: int | Sizes,
        kernel_size: int | Sizes,
        dilation: int | Sizes = 1,
        padding: int | Sizes = 0,
        stride: int | Sizes = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
