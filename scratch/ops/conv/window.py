"""Sliding windows: what every convolution and pooling reads, and the adjoint of reading.

Shapes:     x (…, *S, …)   →   windows (…, *O, …, *K),   for any number of dimensions S
            O = ⌊(S − dilation (K − 1) − 1) / stride⌋ + 1
Formula:    windows[…, o, …, k] = x[…, stride·o + dilation·k, …]                          (1)
Tangent:    (1) itself: it copies numbers, hence is linear.
Adjoint:    x̄[…, i, …] = Σ windows̄[…, o, …, k]  over all o, k with stride·o + dilation·k = i   (2)
            Both are loops over the few offsets k in a window, each a whole strided slice of x at once:
            `shifted` and `add_shifted` where the slices are apart, `add_windows` where they are one array.
            More dimensions go one after another.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor

Sizes = Sequence[int]
FEW = 16  # channels of a group; with fewer, a window has few numbers


class Windows(NamedTuple):
    """Where windows lie on an array (N, C, *S)."""

    size: tuple[int, ...]  # S
    kernel: tuple[int, ...]  # K
    stride: tuple[int, ...]  # s
    padding: tuple[int, ...]  # (left, right) of the last dimension, then of the one before; p where both are alike
    dilation: tuple[int, ...]  # d

    @property
    def padded(self) -> tuple[int, ...]:
        """S + 2p"""
        sides = zip(self.size, self.padding[-2::-2], self.padding[::-2], strict=True)
        return tuple(n + left + right for n, left, right in sides)

    @property
    def unpadded(self) -> "Windows":
        """The same windows on an array that has been padded."""
        return self._replace(size=self.padded, padding=(0,) * len(self.padding))

    @property
    def output(self) -> tuple[int, ...]:
        """L"""
        return output_sizes(self.padded, self.kernel, self.stride, self.dilation)

    @property
    def axes(self) -> Iterator[tuple[int, int, int]]:
        """(K, s, d) for each dimension."""
        return zip(self.kernel, self.stride, self.dilation, strict=True)


def pair(value: int | Sizes, dims: int = 2) -> tuple[int, ...]:
    """One number for all dimensions, or a number for each."""
    if isinstance(value, int):
        return (value,) * dims
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if any(not isinstance(number, int) for number in values):
        raise TypeError(f"expected a whole number or {dims} of them, but got {value}")
    return values * dims if len(values) == 1 else values


def output_sizes(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[int, ...]:
    return tuple((n - r * (k - 1) - 1) // s + 1 for n, k, s, r in zip(size, kernel, stride, dilation, strict=True))


def windows(
    x: Tensor, axis: int, here: tuple[int, int], there: tuple[int, int], front: int, begin: int | None = None
) -> Tensor:
    """(1) along one dimension: x[…, a·i + b·j, …] as a view, with i in the place `axis` of that dimension and j in a
    new one, `front`. ``here`` is how many i and a, ``there`` how many j and b; ``begin``, where in memory i = j = 0."""
    size, stride, one = list(x.shape), list(x.stride()), x.stride(axis)
    size[axis], stride[axis] = here[0], here[1] * one
    size.insert(front, there[0])
    stride.insert(front, there[1] * one)
    return x.as_strided(size, stride, begin)


def add_windows(parts: Tensor, axis: int, front: int, size: int, stride: int, dilation: int) -> Tensor:
    """(2) along one dimension: (…, O, …, K, …), O in the place `front` -> x (…, S, …), S at `axis`, where K was."""
    shape, o, k = list(parts.shape), parts.shape[front], parts.shape[axis + 1]
    shape[axis + 1] = size
    del shape[front]
    x = parts.new_zeros(shape)
    step = stride if dilation == 1 else 1  # neighbouring offsets up to the stride do not overlap: one addition
    for first, part in zip(range(0, k, step), parts.split(step, axis + 1), strict=True):
        begin = dilation * first * x.stride(axis)
        windows(x, axis, (part.shape[axis + 1], dilation), (o, stride), front, begin).add_(part)
    return x


def shifted(x: Tensor, axis: int, k: int, s: int, d: int) -> tuple[Tensor, ...]:
    """Along one axis, k views of x: the numbers at each offset of a window, at all places where it stands."""
    return x.unfold(axis, d * (k - 1) + 1, s).unbind(-1)[::d]


def add_shifted(parts: Sequence[Tensor], axis: int, k: int, s: int, d: int) -> Tensor:
    """The adjoint of `shifted`: the k parts, added where they came from."""
    size = list(parts[0].shape)
    size[axis] = d * (k - 1) + s * (size[axis] - 1) + 1
    x = empty(parts[0], size)
    if d > 1 or k != s:
        x.zero_()
    for j, (target, part) in enumerate(zip(shifted(x, axis, k, s, d), parts, strict=True)):
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


def channels_last(x: Tensor) -> Tensor:
    """x (N, C, *S) -> its view (N, *S, C), which is to be copied. Channels that are a multiple of 1 KiB apart share few
    places of a processor's cache, and reading one number of each in turn takes four times as long: they are moved
    apart first."""
    size = math.prod(x.shape[2:])
    if x.is_cpu and x.is_contiguous() and x.shape[1] >= FEW and size * x.element_size() % 1024 == 0:
        apart = x.new_empty(*x.shape[:2], size + 16).narrow(-1, 0, size)  # by a cache line, or two, more
        x = apart.copy_(x.flatten(2)).unflatten(-1, x.shape[2:])
    return x.movedim(1, -1)
