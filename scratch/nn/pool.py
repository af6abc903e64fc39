"""Pooling layers: they keep their options; the mathematics is in scratch/ops/pool/."""

from collections.abc import Sequence

from torch import Tensor, nn

from scratch.nn.functional.pool import (
    Output,
    Pooled,
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool,
    fractional_max_pool,
    lp_pool,
    max_pool,
    max_unpool,
)
from scratch.nn.layer import Layer
from scratch.ops.conv.window import Sizes, pair


class MaxPool(Layer):
    """The maximum of each window; with ``return_indices`` also its place in the flattened image."""

    dims: int

    def __init__(
        self,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        dilation: int | Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Pooled:
        options = self.kernel_size, self.stride, self.padding, self.dilation
        return max_pool(self.dims, input, *options, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool, nn.MaxPool1d):
    """The maximum of each window of a line; x (N, C, L) or (C, L)."""

    dims = 1


class MaxPool2d(MaxPool, nn.MaxPool2d):
    """The maximum of each window of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class MaxPool3d(MaxPool, nn.MaxPool3d):
    """The maximum of each window of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class MaxUnpool(Layer):
    """Puts what `MaxPool` with these options and ``return_indices`` gave back in its place, between zeros."""

    dims: int

    def __init__(self, kernel_size: int | Sizes, stride: int | Sizes | None = None, padding: int | Sizes = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = pair(kernel_size, self.dims), pair(padding, self.dims)
        self.stride = self.kernel_size if stride is None else pair(stride, self.dims)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        options = self.kernel_size, self.stride, self.padding
        return max_unpool(self.dims, input, indices, *options, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(MaxUnpool, nn.MaxUnpool1d):
    """The partial inverse of `MaxPool1d`."""

    dims = 1


class MaxUnpool2d(MaxUnpool, nn.MaxUnpool2d):
    """The partial inverse of `MaxPool2d`."""

    dims = 2


class MaxUnpool3d(MaxUnpool, nn.MaxUnpool3d):
    """The partial inverse of `MaxPool3d`."""

    dims = 3


class AvgPool(Layer):
    """The mean of each window."""

    dims: int
    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad = count_include_pad
        if self.dims > 1:  # torch's AvgPool1d has none
            self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        options = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return avg_pool(self.dims, input, *options, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(AvgPool, nn.AvgPool1d):
    """The mean of each window of a line; x (N, C, L) or (C, L)."""

    dims = 1

    def __init__(
        self,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = kernel_size if stride is None else stride
        super().__init__(pair(kernel_size, 1), pair(stride, 1), pair(padding, 1), ceil_mode, count_include_pad)


class AvgPool2d(AvgPool, nn.AvgPool2d):
    """The mean of each window of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class AvgPool3d(AvgPool, nn.AvgPool3d):
    """The mean of each window of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class LPPool(Layer):
    """The p-norm of each window, p = norm_type; a whole number p keeps the signs."""

    dims: int

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        if norm_type == 0:
            raise ValueError("norm_type must not be 0")
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return lp_pool(self.dims, input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(LPPool, nn.LPPool1d):
    """The p-norm of each window of a line; x (N, C, L) or (C, L)."""

    dims = 1


class LPPool2d(LPPool, nn.LPPool2d):
    """The p-norm of each window of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class LPPool3d(LPPool, nn.LPPool3d):
    """The p-norm of each window of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class AdaptiveAvgPool(Layer):
    """The means of so many windows, whatever the size of the input."""

    dims: int

    def __init__(self, output_size: Output) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool(self.dims, input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool, nn.AdaptiveAvgPool1d):
    """The means of so many windows of a line; x (N, C, L) or (C, L)."""

    dims = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool, nn.AdaptiveAvgPool2d):
    """The means of so many windows of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class AdaptiveAvgPool3d(AdaptiveAvgPool, nn.AdaptiveAvgPool3d):
    """The means of so many windows of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class AdaptiveMaxPool(Layer):
    """The maxima of so many windows, whatever the size of the input; with ``return_indices`` also their places."""

    dims: int

    def __init__(self, output_size: Output, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Pooled:
        return adaptive_max_pool(self.dims, input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(AdaptiveMaxPool, nn.AdaptiveMaxPool1d):
    """The maxima of so many windows of a line; x (N, C, L) or (C, L)."""

    dims = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool, nn.AdaptiveMaxPool2d):
    """The maxima of so many windows of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool, nn.AdaptiveMaxPool3d):
    """The maxima of so many windows of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class FractionalMaxPool(Layer):
    """The maxima of so many windows at random places; with ``return_indices`` also their places in the image."""

    dims: int
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: int | Sizes,
        output_size: int | Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.return_indices = pair(kernel_size, self.dims), return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else pair(output_size, self.dims)
        ratios = (
            output_ratio if output_ratio is None or isinstance(output_ratio, Sequence) else [output_ratio] * self.dims
        )
        self.output_ratio = None if ratios is None else tuple(ratios)
        if (output_size is None) == (output_ratio is None):
            raise ValueError("give either output_size or output_ratio")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1, but got {output_ratio}")
        if self.dims == 3 and min(self.kernel_size) <= 0:  # in 2 dimensions only when it is called, as torch
            raise ValueError(f"kernel_size must be positive, but is {kernel_size}")

    def forward(self, input: Tensor) -> Pooled:
        options = self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        return fractional_max_pool(self.dims, input, *options)


class FractionalMaxPool2d(FractionalMaxPool, nn.FractionalMaxPool2d):
    """The maxima of random windows of an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class FractionalMaxPool3d(FractionalMaxPool, nn.FractionalMaxPool3d):
    """The maxima of random windows of a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3
