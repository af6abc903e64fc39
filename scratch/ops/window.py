"""Sliding windows: what every convolution and pooling reads, and the adjoint of reading.

Shapes:     x (…, *S, …)   →   windows (…, *O, …, *K),   for any number of dimensions S
            O = ⌊(S − dilation (K − 1) − 1) / stride⌋ + 1
Formula:    windows[…, o, …, k] = x[…, stride·o + dilation·k, …]                          (1)
Tangent:    (1) itself: it copies numbers, hence is linear.
Adjoint:    x̄[…, i, …] = Σ windows̄[…, o, …, k]  over all o, k with stride·o + dilation·k = i   (2)
            Both are loops over the few offsets k in a window, each a whole strided slice of x at once:
            `shifted` and `add_shifted` along one dimension, `add_windows` along all.
"""

from collections.abc import Sequence
from itertools import product

from torch import Tensor

Sizes = Sequence[int]


def pair(value: int | Sizes, dims: int = 2) -> tuple[int, ...]:
    """One number for all dimensions, or a number for each."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if any(not isinstance(number, int) for number in values):
        raise TypeError(f"expected a whole number or {dims} of them, but got {value}")
    return values * dims if len(values) == 1 else values


def output_sizes(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[int, ...]:
    return tuple((n - r * (k - 1) - 1) // s + 1 for n, k, s, r in zip(size, kernel, stride, dilation, strict=True))


def add_windows(x: Tensor, axis: int, parts: Tensor, stride: Sizes, dilation: Sizes) -> None:
    """(2): adds (…, *O, …, *K) to x (…, *S, …) in place; S begins at axis, and x is contiguous."""
    dims = len(stride)
    output, kernel, one = parts.shape[axis : axis + dims], parts.shape[-dims:], x.stride()[axis : axis + dims]
    # Neighbouring offsets up to the stride do not overlap, and go in one addition.
    steps = [s if d == 1 else 1 for s, d in zip(stride, dilation, strict=True)]
    for start in product(*map(range, [0] * dims, kernel, steps)):
        part, start_in_memory, widths = parts, 0, []
        for i, (first, k, step, d) in enumerate(zip(start, kernel, steps, dilation, strict=True)):
            widths.append(min(step, k - first))
            part = part.narrow(i - dims, first, widths[-1])
            start_in_memory += d * first * one[i]
        size, strides = [*x.shape, *widths], [*x.stride(), *one]
        size[axis : axis + dims] = output
        strides[axis : axis + dims] = [s * each for s, each in zip(stride, one, strict=True)]
        x.as_strided(size, strides, start_in_memory).add_(part)


def shifted(x: Tensor, axis: int, k: int, o: int, s: int, d: int) -> list[Tensor]:
    """Along one axis, k views of x: the numbers at each offset of a window that stands at o places."""
    before = (slice(None),) * axis
    return [x[(*before, slice(d * j, d * j + s * (o - 1) + 1, s))] for j in range(k)]


def add_shifted(parts: Sequence[Tensor], axis: int, k: int, o: int, s: int, d: int) -> Tensor:
    """The adjoint of `shifted`: the k parts, added where they came from."""
    size = list(parts[0].shape)
    size[axis] = d * (k - 1) + s * (o - 1) + 1
    x = empty(parts[0], size)
    if d > 1 or k != s:
        x.zero_()
    for j, (part, target) in enumerate(zip(parts, shifted(x, axis, k, o, s, d), strict=True)):
        if d * j < s:  # nothing stands there yet
            target.copy_(part)
        else:
            target += part
    return x


def empty(like: Tensor, size: Sizes) -> Tensor:
    """An array (N, C, *S), with the channels last in memory where ``like`` has them there."""
    if like.dim() > 1 and like.stride(1) == 1:
        return like.new_empty(size[0], *size[2:], size[1]).movedim(-1, 1)
    return like.new_empty(*size)
