"""Pooling: each window of each channel becomes one number, its maximum or its mean.

Shapes:     x (N, C, H, W)   y (N, C, H', W')    kernel K, stride s, padding p, dilation d (maximum only)
            H' = ⌊(H + 2p − d (K − 1) − 1) / s⌋ + 1, or with ceil_mode ⌈…⌉, unless the last window would begin
            beyond the image and its left padding. A window holds those x[s·i + d·k − p], k in K, that exist.

Maximum:    y = x[j],  j = the position of the window's first maximum in row-major order                (1)
Tangent:    ẏ = ẋ[j]                                                                                   (2)
Adjoint:    x̄[j] = Σ ȳ  over all windows whose maximum is at j                                         (3)
Kinks:      ties go to the first, as PyTorch; a NaN is larger than all (the last NaN of a window counts);
            a window of −∞ alone takes its first position.
Saved:      j.

Mean:       y = (1/m) Σ_k x[s·i + d·k − p],   m = the window's size with its padding, or without it
            (count_include_pad=False), or divisor_override                                             (4)
Tangent:    (4) itself, it is linear.
Adjoint:    x̄[j] = Σ ȳ/m  over all windows that hold j                                                 (5)
Saved:      nothing but sizes.   Kinks: none.

Errors:     as torch.nn.functional.max_pool2d and avg_pool2d, mostly RuntimeError.
Reference:  those two. Differs: nothing.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998), mean;
            Riesenhuber and Poggio, Hierarchical models of object recognition in cortex (1999), maximum.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.function import Function
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, at_offset, offsets, overlap_add, pair, windows


class Geometry(NamedTuple):
    """Where the windows lie: ``output`` many of them along each dimension of an image of ``size``."""

    size: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def surround(self) -> list[int]:
        """Padding for `constant_pad` that ends where the last window ends: with ceil_mode that may be beyond
        p, and else within the image (negative)."""
        result: list[int] = []
        for n, o, k, s, p, d in zip(*self, strict=True):
            result = [p, s * (o - 1) + d * (k - 1) + 1 - p - n, *result]
        return result

    def extent(self) -> list[int]:
        """The sizes of the image so padded."""
        return [s * (o - 1) + d * (k - 1) + 1 for _, o, k, s, _, d in zip(*self, strict=True)]


def output_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    reach = n + 2 * p - d * (k - 1) - 1
    if not ceil_mode:
        return reach // s + 1
    o = -(-reach // s) + 1
    return o - 1 if (o - 1) * s >= n + p else o  # the last window must begin within image or left padding


def geometry(x: Tensor, kernel, stride, padding, dilation, ceil_mode: bool, dims: int) -> Geometry:
    """Argument checks, as torch's."""
    sizes = [pair(v, dims) for v in (kernel, kernel if stride is None or stride == () else stride, padding, dilation)]
    if any(len(values) != dims for values in sizes):
        raise RuntimeError(f"kernel_size, stride, padding and dilation need 1 or {dims} numbers")
    if any(not isinstance(v, int) for values in sizes for v in values):
        raise TypeError(f"kernel_size, stride, padding and dilation must be whole numbers, but got {sizes}")
    kernel, stride, padding, dilation = sizes
    if min(kernel) <= 0 or min(stride) <= 0 or min(dilation) <= 0:
        raise RuntimeError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive")
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(f"padding {padding} must be between 0 and half the kernel {kernel}")
    if x.dim() != dims + 2 or 0 in x.shape[1:]:
        raise RuntimeError(
            f"expected (N, C, *S) or (C, *S) with {dims} spatial dimensions, only the batch may be "
            f"empty, but got {tuple(x.shape)}"
        )
    size = tuple(x.shape[2:])
    output = tuple(output_size(*each, ceil_mode) for each in zip(size, kernel, stride, padding, dilation, strict=True))
    if min(output) <= 0:
        raise RuntimeError(f"the kernel {kernel} is larger than the padded input {size}")
    return Geometry(size, output, kernel, stride, padding, dilation)


class MaxPoolFn(Function):
    """y and j, which counts through the image row by row, as torch's."""

    @staticmethod
    def forward(x, g):
        lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
        x = constant_pad(x, g.surround(), lowest)
        y = index = None
        for offset in offsets(g.kernel):
            value = x[at_offset(offset, g.output, g.stride, g.dilation)]
            position = positions(offset, g, x.device)
            if y is None or index is None:
                y, index = value, positions((0,) * len(offset), g, x.device, inside=True).expand(value.shape)
                continue
            better = (value > y) | (value != value)
            y, index = torch.where(better, value, y), torch.where(better, position, index)
        return y, index

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.geometry = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx, grad, _):
        (index,) = ctx.saved_tensors
        x = grad.new_zeros(*grad.shape[:2], torch.Size(ctx.geometry.size).numel())
        return x.scatter_add(2, index.flatten(2), grad.flatten(2)).unflatten(2, ctx.geometry.size), None  # (3)


def positions(offset: Sizes, g: Geometry, device: torch.device, inside: bool = False) -> Tensor:
    """Where offset k of each window lies in the flattened image; ``inside`` moves on to the image's border by
    steps of the dilation where that is in the left padding."""
    flat = torch.zeros((), dtype=torch.int64, device=device)
    for k, n, o, _, s, p, d in zip(offset, *g, strict=True):
        along = torch.arange(o, device=device) * s + d * k - p
        flat = flat[..., None] * n + (torch.where(along < 0, along % d, along) if inside else along)
    return flat


def divisor(g: Geometry, count_include_pad: bool, override: int | None, like: Tensor) -> Tensor | float:
    """m of (4): one number, or one for each window (H', W') where windows hang over the border."""
    if override is not None:
        return override
    m = torch.ones((), dtype=like.dtype, device=like.device)
    for n, o, k, s, p, _ in zip(*g, strict=True):
        start = torch.arange(o, device=like.device) * s - p
        low, high = (-p, n + p) if count_include_pad else (0, n)
        m = m[..., None] * ((start + k).clamp(max=high) - start.clamp(min=low))
    return m


class AvgPoolFn(Function):
    @staticmethod
    def forward(x, g, count_include_pad, override):
        view = windows(constant_pad(x, g.surround()), g.kernel, g.stride, g.dilation)
        total = view.sum(list(range(-len(g.kernel), 0)))
        return (total / divisor(g, count_include_pad, override, x)).to(x.dtype)  # (4)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, *ctx.options = inputs

    @staticmethod
    def backward(ctx, grad):
        return AvgSpreadFn.apply(grad, *ctx.options), None, None, None  # (5)


class AvgSpreadFn(Function):
    """(5) as a function of ȳ: linear too, so its adjoint is (4)."""

    @staticmethod
    def forward(grad, g, count_include_pad, override):
        grad = grad / divisor(g, count_include_pad, override, grad)
        every_offset = grad[(..., *(None for _ in g.kernel))].expand(*grad.shape, *g.kernel)
        x = overlap_add(every_offset, g.extent(), g.stride, g.dilation)
        return constant_pad(x, [-amount for amount in g.surround()])

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, *ctx.options = inputs

    @staticmethod
    def backward(ctx, x):
        return AvgPoolFn.apply(x, *ctx.options), None, None, None


def max_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window, and with ``return_indices`` its place. See the module's page."""
    if input.dim() == 3:
        result = max_pool2d(input[None], kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return (result[0][0], result[1][0]) if isinstance(result, tuple) else result[0]
    if input.dtype == torch.bool or input.is_complex():
        raise NotImplementedError(f"max_pool2d takes real numbers, but got {input.dtype}")
    y, index = MaxPoolFn.apply(input, geometry(input, kernel_size, stride, padding, dilation, ceil_mode, 2))
    return (y, index) if return_indices else y


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window. See the module's page."""
    if input.dim() == 3:
        options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return avg_pool2d(input[None], *options)[0]
    if divisor_override == 0:
        raise RuntimeError("divisor_override must not be 0")
    g = geometry(input, kernel_size, stride, padding, 1, ceil_mode, 2)
    return AvgPoolFn.apply(input, g, count_include_pad, divisor_override)
