"""Windows that lie irregularly, unrolled: what every adaptive and fractional pooling reads.

Shapes:     x (N, C, *S)   u, with o·k numbers for the n along one axis
            places (o·k,), or (N, C, o·k) where each channel has windows of its own; outside (o·k,) or None
Formula:    u[…, i·k + t, …] = x[…, places[i·k + t], …], or the filling where it is outside              (1)
            holds window i, of up to k numbers, beside window i − 1. Where windows overlap numbers are repeated, and
            where one is shorter than k it is filled up. Along all axes one after the other, (1) turns any windows
            that are boxes into regular ones, with kernel and stride k: those of pool.py.
Tangent:    (1) itself with u̇, ẋ, and the filling 0.                                                   (2)
Adjoint:    x̄[…, j, …] = Σ ū[…, i, …]  over all i with places[i] = j that are not outside                 (3)
Saved:      places, outside, which get no gradient.
Kinks:      none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.conv.window import Windows
from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function
from scratch.ops.pool.pool import max_pool, max_pool_with_indices


class Axis(NamedTuple):
    """The windows along one axis."""

    kernel: int  # k
    places: Tensor | None = None  # None where the windows are regular as they are
    outside: Tensor | None = None


class UnrollFn(Function):
    """x, of which ``size`` is the shape, along one axis -> u."""

    outputs = ("u",)
    wide = False

    @staticmethod
    def value(x, size, axis, places, outside, filling):
        if places.dim() > 1:
            u = x.gather(axis, along(places, axis, size))  # (1)
        else:
            u = x.flatten(0, axis - 1).index_select(1, places).unflatten(0, x.shape[:axis])  # of lines: the quickest
        return u if outside is None else u.masked_fill(line(outside, axis, size), filling)

    @staticmethod
    def tangent(x_dot, size, axis, places, outside):
        return UnrollFn.value(x_dot, size, axis, places, outside, 0)  # (2)

    @staticmethod
    def adjoint(u_bar, size, axis, places, outside):
        u_bar = widen(u_bar)
        u_bar = u_bar if outside is None else u_bar.masked_fill(line(outside, axis, size), 0)
        zeros = u_bar.new_zeros(size)
        if places.dim() > 1:
            return zeros.scatter_add(axis, along(places, axis, size), u_bar)  # (3)
        return zeros.index_add(axis, places, u_bar)


def line(table: Tensor, axis: int, size: torch.Size) -> Tensor:
    """(o·k,) as it stands along an axis of u."""
    return table.view(-1, *(1 for _ in size[axis + 1 :]))


def along(places: Tensor, axis: int, size: torch.Size) -> Tensor:
    """(N, C, o·k) along an axis of u, and repeated along all others."""
    others = [(1, n) if i != axis else (places.shape[2],) * 2 for i, n in enumerate(size[2:], start=2)]
    ones, full = zip(*others, strict=True)
    return places.view(*places.shape[:2], *ones).expand(-1, -1, *full)


def unroll(x: Tensor, axes: Sequence[Axis], filling: float) -> Tensor:
    """(1) along each axis of S."""
    for axis, (_, places, outside) in enumerate(axes, start=2):
        if places is not None:
            x = UnrollFn.apply(x, x.shape, axis, places, outside, filling)
    return x


def side_by_side(u: Tensor, axes: Sequence[Axis]) -> Windows:
    """The windows on u, each beside the other."""
    kernel = tuple(axis.kernel for axis in axes)
    return Windows(tuple(u.shape[2:]), kernel, kernel, (0,) * 2 * len(kernel), (1,) * len(kernel))


def max_of_windows(x: Tensor, axes: Sequence[Axis], return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window, and with ``return_indices`` its place in x, counted row by row."""
    u = unroll(x, axes, -torch.inf)
    windows = side_by_side(u, axes)
    if not return_indices:
        return max_pool(u, windows)
    y, j = max_pool_with_indices(u, windows)
    return y, origin(j, u.shape, x.shape, axes)


def origin(index: Tensor, unrolled: torch.Size, size: torch.Size, axes: Sequence[Axis]) -> Tensor:
    """Where in u -> where in x it was read."""
    flat, step, rest = torch.zeros_like(index), 1, index
    for axis in reversed(range(len(axes))):
        width, places = unrolled[2 + axis], axes[axis].places
        at, rest = rest % width, rest // width
        if places is not None:
            at = places.expand(*size[:2], width).gather(2, at.flatten(2)).view_as(index)
        flat, step = flat + step * at, step * size[2 + axis]
    return flat
