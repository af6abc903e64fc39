"""Pooling: each window of each channel becomes one number, its maximum or its mean, in any number of dimensions.

Shapes:     x (N, C, *S)   y (N, C, *L)    kernel K, stride s, padding p, dilation d (maximum only); for S = (H, W)
            L = (H', W'),  H' = ⌊(H + 2p − d (K − 1) − 1) / s⌋ + 1, or with ceil_mode ⌈…⌉, unless the last window
            would begin beyond the image and its left padding. A window holds those x[s·i + d·k − p], k in K, that
            exist.

Maximum:    y = x[j],  j = the position of the window's first maximum in row-major order                (1)
Tangent:    ẏ = ẋ[j]                                                                                   (2)
Adjoint:    x̄[j] = Σ ȳ  over all windows whose maximum is at j                                         (3)
Kinks:      ties go to the first, as PyTorch; a NaN is larger than all (the last NaN of a window counts);
            a window of −∞ alone takes its first position.
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
from itertools import product
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


def argmax(x: Tensor, g: Geometry) -> Tensor:
    """j of (1), counted through the image row by row, as torch's."""
    x = surrounded(x, g)
    offsets = list(product(*map(range, g.kernel)))
    (_, *others), (best, *values) = offsets, [at_offset(x, offset, g) for offset in offsets]
    index = positions(offsets[0], g, x.device, inside=True).expand(best.shape)
    for offset, value in zip(others, values, strict=True):
        better = (value > best) | (value != value)
        best = torch.where(better, value, best)
        index = torch.where(better, positions(offset, g, x.device), index)
    return index


def at_offset(x: Tensor, offset: Sizes, g: Geometry) -> Tensor:
    """The numbers at one place of each window."""
    for j, along in zip(offset, g.axes, strict=True):
        x = shifted(x, *along)[j]
    return x


def positions(offset: Sizes, g: Geometry, device: torch.device, inside: bool = False) -> Tensor:
    """Where offset k of each window lies in the flattened image; ``inside`` moves on to the image's border by
    steps of the dilation where that is in the left padding."""
    flat = torch.zeros((), dtype=torch.int64, device=device)
    for k, n, o, s, p, d in zip(offset, g.size, g.output, g.stride, g.padding, g.dilation, strict=True):
        along = torch.arange(o, device=device) * s + d * k - p
        flat = flat[..., None] * n + (torch.where(along < 0, along % d, along) if inside else along)
    return flat


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
        if not in_place(grad):
            return scatter(grad, argmax(x, g), g), None
        n = part_count(x)
        parts = [hand_back(*part, g) for part in zip(x.chunk(n), laid_out(grad, g).chunk(n), strict=True)]
        return torch.cat(parts) if len(parts) > 1 else parts[0], None


class MaxPoolWithIndicesFn(Function):
    @staticmethod
    def forward(x, g):
        index = argmax(x, g)
        return x.flatten(2).gather(2, index.flatten(2)).view(index.shape), index

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
    x = grad.new_zeros(*grad.shape[:2], math.prod(g.size))
    return x.scatter_add(2, index.flatten(2), grad.flatten(2)).unflatten(2, g.size)


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


@lru_cache
def counts(g: Geometry, count_include_pad: bool) -> list[list[int]] | int:
    """m of (4): for each dimension the sizes of the windows; or one number if all are alike."""
    ends = g.padding if count_include_pad else (0,) * len(g.padding)
    sizes = [
        [min(s * i - p + k, n + end) - max(s * i - p, -end) for i in range(o)]
        for n, o, k, s, p, end in zip(g.size, g.output, g.kernel, g.stride, g.padding, ends, strict=True)
    ]
    alike = all(min(each) == k for each, k in zip(sizes, g.kernel, strict=True))
    return math.prod(g.kernel) if alike else sizes


def divisor(g: Geometry, count_include_pad: bool, override: Any, like: Tensor) -> Tensor | int:
    """m of (4): one number, or one for each window (H', W'). ``override`` may be like what `counts` gives, too."""
    m = counts(g, count_include_pad) if override is None else override
    if isinstance(m, int):
        return m
    return reduce(lambda above, along: above[..., None] * along, [like.new_tensor(each) for each in m])


class AvgPoolFn(Function):
    @staticmethod
    def forward(x, g, count_include_pad, override):
        total = constant_pad(widen(x), g.border)
        for along in g.axes:  # a window's sum is a sum of sums
            axis, k, *_ = along
            one = k == total.shape[axis]
            total = total.sum(axis, keepdim=True) if one else reduce(torch.add, shifted(total, *along))
        m = divisor(g, count_include_pad, override, total)
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
        x = laid_out(grad, g) / divisor(g, count_include_pad, override, grad)
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
        result = max_pool(dims, x[None], kernel, stride, padding, dilation, ceil_mode, return_indices)
        return (result[0][0], result[1][0]) if isinstance(result, tuple) else result[0]
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
        return avg_pool(dims, x[None], kernel, stride, padding, ceil_mode, count_include_pad, override)[0]
    if override == 0:
        raise RuntimeError("divisor_override must not be 0")
    if x.dtype == torch.bool:
        raise NotImplementedError("average pooling takes numbers, but got torch.bool")
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    g = windows_of(x, dims, kernel, stride, padding, 1, ceil_mode)
    return AvgPoolFn.apply(x, g, count_include_pad, override)


def windows_of(x: Tensor, dims: int, kernel, stride, padding, dilation, ceil_mode: bool) -> Geometry:
    if x.dim() != dims + 2:
        raise RuntimeError(f"expected (N, C, *S) or (C, *S) with {dims} dimensions S, but got {tuple(x.shape)}")
    stride = kernel if stride is None or len(pair(stride)) == 0 else stride
    sizes = [pair(value, dims) for value in (kernel, stride, padding, dilation)]
    return geometry(known(x.shape), x.stride(1) == 1, *sizes, ceil_mode)
