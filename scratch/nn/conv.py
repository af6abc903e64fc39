"""Convolution layers: parameters and their initialisation; the mathematics is in scratch/ops/conv/conv.py and
conv_transpose.py."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import Parameter, init

from scratch.nn import functional as F
from scratch.nn.functional.conv import conv_nd, conv_transpose_nd, padding_amounts
from scratch.nn.layer import Layer
from scratch.ops.conv.window import Sizes, pair


class ConvNd(Layer):
    """What all convolutions have: options, weight, bias, and their initial values.

    Weight (out_channels, in_channels/groups, *kernel_size), for the transposed ones (in_channels,
    out_channels/groups, *kernel_size), and bias (out_channels,) are initialised uniformly in ±1/√fan_in, where fan_in
    is the number of weights in one weight[i], as torch.nn's, from the same random numbers.
    """

    dims: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes,
        padding: str | int | Sizes,
        output_padding: int | Sizes,
        dilation: int | Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device,
        dtype,
    ) -> None:
        super().__init__()
        if groups <= 0 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups must be positive and divide in_channels and out_channels, but got {groups}, "
                f"{in_channels}, {out_channels}"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"padding_mode {padding_mode!r}: legal are zeros, reflect, replicate, circular")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"padding {padding!r}: legal are 'same', 'valid' and numbers")
        if padding == "same" and any(s != 1 for s in pair(stride)):
            raise ValueError(f"padding='same' goes with stride 1 only, but got {stride}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = pair(kernel_size, self.dims), pair(stride, self.dims)
        self.padding = padding if isinstance(padding, str) else pair(padding, self.dims)
        self.output_padding, self.dilation = pair(output_padding, self.dims), pair(dilation, self.dims)
        self.groups, self.padding_mode = groups, padding_mode
        amounts = padding_amounts(self.padding, self.kernel_size, self.stride, self.dilation)
        self._reversed_padding_repeated_twice = list(amounts)
        self.weight = Parameter(torch.empty(self.weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def weight_shape(self) -> tuple[int, ...]:
        ends = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        return ends[0], ends[1] // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # ±1/√fan_in, in torch's own rounding
        if self.bias is not None:
            fan_in = self.weight.shape[1:].numel()
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * self.dims:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv(ConvNd):
    """y = b + W * x."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: str | int | Sizes = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        ends = in_channels, out_channels
        super().__init__(*ends, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with any weight and bias: subclasses, quantisers and the like call it with their own."""
        padding: str | int | Sizes = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode), 0
        return conv_nd(self.dims, input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(Conv, nn.Conv1d):
    """y = b + W * x along a line; x (N, C, L) or (C, L)."""

    dims = 1


class Conv2d(Conv, nn.Conv2d):
    """y = b + W * x in an image; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class Conv3d(Conv, nn.Conv3d):
    """y = b + W * x in a volume; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


class ConvTranspose(ConvNd):
    """The adjoint of a convolution, plus b: each number of x puts down a copy of the kernel."""

    transposed = True
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: int | Sizes = 0,
        output_padding: int | Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sizes = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode {padding_mode!r}: {type(self).__name__} knows 'zeros' only")
        ends = in_channels, out_channels
        options = stride, padding, output_padding, dilation
        super().__init__(*ends, kernel_size, *options, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        options = self.stride, self.padding, self.kernel_size, self.dims, self.dilation
        extra = self._output_padding(input, output_size, *options)
        options = self.stride, self.padding, extra, self.groups, self.dilation
        return conv_transpose_nd(self.dims, input, self.weight, self.bias, *options)

    def _output_padding(
        self,
        input: Tensor,
        output_size: Sequence[int] | None,
        stride: Sizes,
        padding: Sizes,
        kernel_size: Sizes,
        num_spatial_dims: int,
        dilation: Sizes | None = None,
    ) -> tuple[int, ...]:
        """The output_padding that gives this size, which may be that of all of y."""
        dims = num_spatial_dims
        if output_size is None:
            return pair(self.output_padding, dims)
        if len(output_size) not in (dims, input.dim()):
            raise ValueError(f"output_size needs {dims} or {input.dim()} numbers, but got {output_size}")
        wanted = output_size[-dims:]
        options = input.shape[input.dim() - dims :], kernel_size, stride, padding, dilation or (1,) * dims
        least = [s * (n - 1) - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in zip(*options, strict=True)]
        extra = tuple(size - smallest for size, smallest in zip(wanted, least, strict=True))
        if any(not 0 <= q < s for q, s in zip(extra, stride, strict=True)):
            most = [smallest + s - 1 for smallest, s in zip(least, stride, strict=True)]
            raise ValueError(f"output_size {output_size}: legal are {least} to {most}")
        return extra


class ConvTranspose1d(ConvTranspose, nn.ConvTranspose1d):
    """The adjoint of `Conv1d`; x (N, C, L) or (C, L)."""

    dims = 1


class ConvTranspose2d(ConvTranspose, nn.ConvTranspose2d):
    """The adjoint of `Conv2d`; x (N, C, H, W) or (C, H, W)."""

    dims = 2


class ConvTranspose3d(ConvTranspose, nn.ConvTranspose3d):
    """The adjoint of `Conv3d`; x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3
