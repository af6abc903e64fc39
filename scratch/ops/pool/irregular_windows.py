"""Windows that lie irregularly, unrolled: what every adaptive and fractional pooling reads.

Shapes:     x (N, C, *S) → u, with o·k numbers for the n along one axis; places and outside (N or 1, C or 1, o·k)
Formula:    u[…, i·k + t, …] = x[…, places[i·k + t], …], or the filling where it is outside              (1)
            holds window i, of up to k numbers, beside window i − 1. Where windows overlap numbers are repeated, and
            where one is shorter than k it is filled up. Along all axes one after the other, (1) turns any windows
            that are boxes into regular ones, with kernel and stride k: those of scratch/ops/pool/pool.py.
Tangent:    (1) with the filling 0.
Adjoint:    x̄[…, j, …] = Σ ū[…, i, …]  over all i with places[i] = j that are not outside                 (2)
Saved:      places, outside, which get no gradient.   Kinks: none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.core.function import Function
from scratch.ops.pool.pool import max_pool


class Axis(NamedTuple):
    """The windows along one axis."""

    kernel: int  # k
    places: Tensor | None = None  # None where the windows are regular as they are
    outside: Tensor | None = None


def along(table: Tensor, axis: int, x: Tensor) -> Tensor:
    """(N or 1, C or 1, o·k) laid along an axis of x (N, C, *S), and repeated along all others."""
    shape = [*table.shape[:2], *(1 for _ in x.shape[2:])]
    shape[axis] = table.shape[2]
    size = list(x.shape)
    size[axis] = table.shape[2]
    return table.view(shape).expand(size)


class UnrollFn(Function):
    @staticmethod
    def forward(x, axis, places, outside, filling):
        u = x.gather(axis, along(places, axis, x))  # (1)
        return u if outside is None else u.masked_fill(along(outside, axis, x), filling)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.axis, places, outside, _ = inputs
        ctx.size = x.shape
        ctx.save_for_backward(places, outside)

    @staticmethod
    def backward(ctx, grad):
        places, outside = ctx.saved_tensors
        if outside is not None:
            grad = grad.masked_fill(along(outside, ctx.axis, grad), 0)
        x = grad.new_zeros(ctx.size).scatter_add(ctx.axis, along(places, ctx.axis, grad), grad)  # (2)
        return x, None, None, None, None


def unroll(x: Tensor, axes: Sequence[Axis], filling: float) -> Tensor:
    """(1) along each axis of S."""
    for axis, (_, places, outside) in enumerate(axes, start=2):
        if places is not None:
            x = UnrollFn.apply(x, axis, places, outside, filling)
    return x


def max_of_windows(x: Tensor, axes: Sequence[Axis], return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each window, and with ``return_indices`` its place in the flattened x."""
    u, kernel = unroll(x, axes, -torch.inf), [axis.kernel for axis in axes]
    result = max_pool(len(axes), u, kernel, kernel, 0, 1, False, return_indices)
    return (result[0], origin(result[1], u, x, axes)) if isinstance(result, tuple) else result


def origin(index: Tensor, u: Tensor, x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """Where in the flattened u -> where in the flattened x that was read."""
    flat, step, rest = torch.zeros_like(index), 1, index
    for axis in reversed(range(len(axes))):
        width, places = u.shape[2 + axis], axes[axis].places
        at, rest = rest % width, rest // width
        if places is not None:
            at = places.expand(*x.shape[:2], width).gather(2, at.flatten(2)).view_as(index)
        flat, step = flat + step * at, step * x.shape[2 + axis]
    return flat
