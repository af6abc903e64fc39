"""Pooling: each window of each channel becomes one number, its maximum or its mean, in any number of dimensions.

Shapes:     x (N, C, *S)   y (N, C, *L)    kernel K, stride s, padding p, dilation d (maximum only); for S = (H, W)
            L = (H', W'),  H' = ⌊(H + 2p − d (K − 1) − 1) / s⌋ + 1, or with ceil_mode ⌈…⌉, unless the last window
            would begin beyond the image and its left padding. A window holds those x[s·i + d·k − p], k in K, that
            exist.

Maximum:    y = x[j],  j = the position of the window's first maximum in row-major order                (1)
Tangent:    ẏ = ẋ[j]                                                                                   (2)
Adjoint:    x̄[j] = Σ ȳ  over all windows whose maximum is at j                                         (3)
Kinks:      ties go to the first, as PyTorch; a NaN is larger than all (the last NaN of a window counts);
            a window of −∞ alone takes its first position. A window that lies in the padding altogether, as one with
            gaps may, has y = −∞ and gives ȳ to nobody; j is then no place of it.
Saved:      x; with return_indices j instead.

Mean:       y = (1/m) Σ_k x[s·i + d·k − p],   m = the window's size with its padding, or without it
            (count_include_pad=False), or divisor_override                                             (4)
Tangent:    (4) itself, it is linear.
Adjoint:    x̄[j] = Σ ȳ/m  over all windows that hold j                                                 (5)
Saved:      nothing but sizes.   Kinks: none.

Errors:     as torch.nn.functional.max_pool2d and avg_pool2d, mostly RuntimeError.
Reference:  those two, and the same in 1 and 3 dimensions. Differs: max_pool1d takes integers, too.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998), mean;
            Riesenhuber and Poggio, Hierarchical models of object recognition in cortex (1999), maximum.
"""

import math
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scratch.ops.conv.pad import constant_pad
from scratch.ops.conv.window import Sizes, add_shifted, pair, shifted
from scratch.ops.core.dtype import autocast_wide, widen
from scratch.ops.core.function import Function, in_place, known
from scratch.ops.core.layout import keeps_channels_last

Ints = tuple[int, ...]


class Geometry(NamedTuple):
    """Where the windows lie: ``output`` many of them along each dimension of an image of ``size``."""

    size: Ints
    output: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    border: Ints  # for `constant_pad`: to where the last windows end, with ceil_mode beyond the padding
    axes: tuple[tuple[int, int, int, int], ...]  # (axis, K, stride, dilation), for `shifted`
    last: bool  # the channels are last in memory; the gradient will have them there, too


def output_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    reach = n + 2 * p - d * (k - 1) - 1
    if not ceil_mode:
        return reach // s + 1
    o = -(-reach // s) + 1
    return o - 1 if (o - 1) * s >= n + p else o  # the last window must begin within image or left padding


@lru_cache
def geometry(
    shape: Ints, last: bool, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Geometry:
    """From the shape of x and the options; refuses what torch refuses."""
    dims = len(shape) - 2
    if any(len(numbers) != dims for numbers in (kernel, stride, padding, dilation)):
        raise RuntimeError(f"kernel_size, stride, padding and dilation need 1 or {dims} numbers")
    if min(*kernel, *stride, *dilation) <= 0:
        raise RuntimeError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive")
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(f"padding {padding} must be between 0 and half the kernel {kernel}")
    if 0 in shape[1:]:
        raise RuntimeError(f"only the batch may be empty, but got {tuple(shape)}")
    size = tuple(shape[2:])
    output = tuple(output_size(*each, ceil_mode) for each in zip(size, kernel, stride, padding, dilation, strict=True))
    if min(output) <= 0:
        raise RuntimeError(f"the kernel {kernel} is larger than the padded input {size}")
    border: list[int] = []
    for n, o, k, s, p, d in zip(size, output, kernel, stride, padding, dilation, strict=True):
        border = [p, s * (o - 1) + d * (k - 1) + 1 - p - n, *border]
    axes = tuple(zip(range(2, 2 + dims), kernel, stride, dilation, strict=True))
    return Geometry(size, output, kernel, stride, padding, dilation, tuple(border), axes, last)


def laid_out(grad: Tensor, g: Geometry) -> Tensor:
    """The numbers of ȳ in the order in memory that x has."""
    return grad.movedim(1, -1).contiguous().movedim(-1, 1) if g.last else grad.contiguous()


def surrounded(x: Tensor, g: Geometry) -> Tensor:
    lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    return constant_pad(x, g.border, lowest)


def argmax(x: Tensor, g: Geometry) -> tuple[Tensor, Tensor]:
    """y and j of (1), counted through the image row by row, as torch's. The first maximum along the last dimension,
    then the first of those along the one before, and so on, is the first of all."""
    best, index, step = surrounded(x, g), torch.zeros((), dtype=torch.int64, device=x.device), 1
    for dim in reversed(range(len(g.size))):
        values = shifted(best, *g.axes[dim])
        index = index.expand(best.shape)
        places = shifted(index, *g.axes[dim])
        begin, first = (line.view(-1, *(1 for _ in g.size[dim + 1 :])) for line in begins(g, dim, x.device))
        best, index = values[0], places[0] + step * first
        for k, (value, place) in enumerate(zip(values[1:], places[1:], strict=True), start=1):
            better = (value > best) | (value != value)
            best = torch.where(better, value, best)
            index = torch.where(better, place + step * (begin + g.dilation[dim] * k), index)
        step *= g.size[dim]
    return best, index


def begins(g: Geometry, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the windows begin along a dimension, and where, by steps of the dilation, they are beyond the padding."""
    begin = torch.arange(g.output[dim], device=device) * g.stride[dim] - g.padding[dim]
    return begin, torch.where(begin < 0, begin % g.dilation[dim], begin)


def nowhere(g: Geometry, device: torch.device) -> Tensor:
    """Which windows lie in the padding altogether, as only those may that have gaps."""
    missing = torch.zeros((), dtype=torch.bool, device=device)
    for dim, (n, k, d) in enumerate(zip(g.size, g.kernel, g.dilation, strict=True)):
        begin, first = begins(g, dim, device)
        missing = missing[..., None] | (first >= n) | (first - begin > d * (k - 1))
    return missing


class MaxPoolFn(Function):
    @staticmethod
    def forward(x, g):
        y = surrounded(x, g)
        for along in g.axes:  # a window's maximum is a maximum of maxima
            y = reduce(torch.maximum, shifted(y, *along))
        return y.clone() if y is x else y

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.geometry = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,), g = ctx.saved_tensors, ctx.geometry
        if not in_place():
            return scatter(grad, argmax(x.detach(), g)[1], g), None
        n = part_count(x)
        parts = [hand_back(*part, g) for part in zip(x.chunk(n), laid_out(grad, g).chunk(n), strict=True)]
        return torch.cat(parts) if len(parts) > 1 else parts[0], None


class MaxPoolWithIndicesFn(Function):
    @staticmethod
    def forward(x, g):
        return argmax(x, g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.geometry = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx, grad, _):
        (index,) = ctx.saved_tensors
        return scatter(grad, index, ctx.geometry), None


def scatter(grad: Tensor, index: Tensor, g: Geometry) -> Tensor:
    """(3)"""
    (n, c), windows, places = index.shape[:2], math.prod(g.output), math.prod(g.size)
    if max(g.dilation) > 1:
        grad, index = grad.masked_fill(nowhere(g, grad.device), 0), index.clamp_max(places - 1)
    x = grad.new_zeros(n, c, places)
    return x.scatter_add(2, index.reshape(n, c, windows), grad.reshape(n, c, windows)).view(n, c, *g.size)


CACHE = 2**19  # numbers of x treated at a time
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def part_count(x: Tensor) -> int:
    """Of a batch that fits in a cache part by part."""
    return max(1, round(x.numel() / CACHE))


def hand_back(x: Tensor, grad: Tensor, g: Geometry) -> Tensor:
    """(3) without j. The maximum of a window is a chain of maxima of two numbers, along the rows and then down the
    results. Backward, each link hands ȳ to its right number if that is larger, and else on to the left: so the
    first of equal numbers in row-major order gets it."""
    x = surrounded(x, g)
    levels = list(zip(g.axes, g.padding, strict=True))
    links = []
    for along, padding in reversed(levels):
        x, takes = chain(shifted(x, *along), *along, padding)
        links.append(takes)
    for (along, _), takes in zip(levels, reversed(links), strict=True):
        parts, rest = [], grad.view(BITS[grad.element_size()])  # its bits as a whole number: 0 · ∞ would be NaN
        for take in reversed(takes):
            parts.append(rest * take)
            rest = rest - parts[-1]
        grad = add_shifted([part.view(grad.dtype) for part in (rest, *reversed(parts))], *along)
    return constant_pad(grad, [-amount for amount in g.border])


def chain(values: Sequence[Tensor], axis: int, k: int, s: int, d: int, padding: int) -> tuple[Tensor, list[Tensor]]:
    """The maximum of the values, and for each but the first 1 where it is larger than all before it, else 0."""
    best, takes = values[0].clone(), []
    for j, value in enumerate(values[1:]):
        value = value.clone()  # comparisons are slow on strided views, and three times as slow in writing booleans
        larger, nan = torch.empty_like(value), torch.empty_like(value)
        torch.gt(value, best, out=larger).add_(torch.ne(value, value, out=nan))
        take = larger.to(BITS[value.element_size()])
        outside = min(max(-((d * j - padding) // s), 0), best.shape[axis])  # windows that begin in the left padding ...
        if outside > 0:
            take.narrow(axis, 0, outside).fill_(1)  # ... go on into the image, even if all there is −∞
        best = torch.maximum(best, value)
        takes.append(take)
    return best, takes


def even_windows(n: int, o: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the o windows of adaptive pooling begin and end among n numbers, by (1) of adaptive_pool.py."""
    i = torch.arange(o, device=device)
    return i * n // o, -(-(i + 1) * n // o)


def divisor(g: Geometry, count_include_pad: bool, override: Any, device: torch.device) -> Tensor | int:
    """m of (4): one number, or one for each window (H', W'). ``override`` is a number, or the n and o of `even_windows`
    along each dimension."""
    if isinstance(override, int):
        return override
    ends = g.padding if count_include_pad else (0,) * len(g.padding)
    sizes = []
    if override is not None:
        for n, o in override:
            begin, end = even_windows(n, o, device)
            sizes.append(end - begin)
    elif all(p <= e and s * (o - 1) - p + k <= n + e for n, o, k, s, p, e in zip(*g[:5], ends, strict=True)):
        return math.prod(g.kernel)
    else:
        for dim, (n, k, p) in enumerate(zip(g.size, g.kernel, ends, strict=True)):
            begin, _ = begins(g, dim, device)
            sizes.append((begin + k).clamp_max(n + p) - begin.clamp_min(-p))
    return reduce(lambda above, along: above[..., None] * along, sizes)


class AvgPoolFn(Function):
    @staticmethod
    def forward(x, g, count_include_pad, override):
        total = constant_pad(widen(x), g.border)
        for along in g.axes:  # a window's sum is a sum of sums
            axis, k, *_ = along
            one = k == total.shape[axis]
            total = total.sum(axis, keepdim=True) if one else reduce(torch.add, shifted(total, *along))
        m = divisor(g, count_include_pad, override, x.device)
        return (total / m).to(x.dtype)  # (4)

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
        x = laid_out(grad, g) / divisor(g, count_include_pad, override, grad.device)
        for along in reversed(g.axes):
            axis, k, *_ = along
            x = torch.cat([x] * k, axis) if x.shape[axis] == 1 else add_shifted([x] * k, *along)
        return constant_pad(x, [-amount for amount in g.border])

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, *ctx.options = inputs

    @staticmethod
    def backward(ctx, x):
        return AvgPoolFn.apply(x, *ctx.options), None, None, None


def max_pool1d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window, and with ``return_indices`` its place. See the module's page."""
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window, and with ``return_indices`` its place. See the module's page."""
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window. See the module's page."""
    return avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


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
    return avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window. See the module's page."""
    return avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@keeps_channels_last
def max_pool(
    dims: int, x: Tensor, kernel, stride, padding, dilation, ceil_mode: bool, return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    if x.dim() == dims + 1:
        return unbatched(max_pool(dims, with_batch(x), kernel, stride, padding, dilation, ceil_mode, return_indices))
    if x.dtype == torch.bool or x.is_complex():
        raise NotImplementedError(f"max-pooling takes real numbers, but got {x.dtype}")
    if dims == 3 and not return_indices:
        (x,) = autocast_wide(x, gpu=False)
    function = MaxPoolWithIndicesFn if return_indices else MaxPoolFn
    return function.apply(x, windows_of(x, dims, kernel, stride, padding, dilation, ceil_mode))


@keeps_channels_last
def avg_pool(
    dims: int, x: Tensor, kernel, stride, padding, ceil_mode: bool, count_include_pad: bool, override: int | None = None
) -> Tensor:
    if x.dim() == dims + 1:
        return unbatched(avg_pool(dims, with_batch(x), kernel, stride, padding, ceil_mode, count_include_pad, override))
    if override == 0:
        raise RuntimeError("divisor_override must not be 0")
    if x.dtype == torch.bool:
        raise NotImplementedError("average pooling takes numbers, but got torch.bool")
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    g = windows_of(x, dims, kernel, stride, padding, 1, ceil_mode)
    refuse_larger_kernel(dims, g)
    return AvgPoolFn.apply(x, g, count_include_pad, override)


def refuse_larger_kernel(dims: int, g: Geometry) -> None:
    """In three dimensions PyTorch takes no mean over a kernel larger than the input, whatever the padding."""
    if dims == 3 and any(n < k for n, k in zip(g.size, g.kernel, strict=True)):
        raise RuntimeError(f"the kernel {g.kernel} is larger than the input {g.size}")


def with_batch(x: Tensor) -> Tensor:
    """(C, *S) as (C, 1, *S)."""
    if x.shape[0] == 0:
        raise RuntimeError(f"only the batch may be empty, but got (C, *S) of shape {tuple(x.shape)}")
    return x[:, None]


def unbatched(result: Any) -> Any:
    """The results for (C, *S), which went as (C, 1, *S): like a batch, its channels may be none at all."""
    return tuple(y.squeeze(1) for y in result) if isinstance(result, tuple) else result.squeeze(1)


def windows_of(x: Tensor, dims: int, kernel, stride, padding, dilation, ceil_mode: bool) -> Geometry:
    if x.dim() != dims + 2:
        raise RuntimeError(f"expected (N, C, *S) or (C, *S) with {dims} dimensions S, but got {tuple(x.shape)}")
    stride = kernel if stride is None or len(pair(stride)) == 0 else stride
    sizes = [pair(value, dims) for value in (kernel, stride, padding, dilation)]
    return geometry(known(x.shape), x.stride(1) == 1, *sizes, ceil_mode)
