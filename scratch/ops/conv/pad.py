"""Padding: more of an array at its borders.

Formula:    y[…, i, …] = x[…, source(i − left), …]   along each padded dimension of size n, with     (1)
                constant    source(j) = j inside 0 … n−1; outside stands a constant
                reflect     |j|, and 2(n−1) − j beyond the end: a mirror on the border element
                replicate   j clamped to 0 … n−1
                circular    j mod n
            Negative amounts crop; what circular repeats is what the cropping left.
Tangent:    (1) with the constant 0: padding copies numbers, hence is linear.                    (2)
Adjoint:    each ȳ goes back to where its y came from, and meets there in a sum:
                constant    the pad by the negative amounts                                       (3)
                others      x̄[j] = Σ ȳ[i] over all i with source(i − left) = j: index_add           (4)
Saved:      nothing but sizes.
Kinks:      none.
Errors:     see scratch/nn/functional/pad.py.
Reference:  torch.nn.functional.pad. Differs: circular after a cropping that leaves nothing is refused, where PyTorch
            returns memory as it finds it, and so is a reflection that leaves nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes, empty
from scratch.ops.core.function import Function


class ConstantPadFn(Function):
    @staticmethod
    def value(x, padding, constant):
        return torch.constant_pad_nd(x, padding, constant)  # (1)

    @staticmethod
    def tangent(x_dot, padding):
        return torch.constant_pad_nd(x_dot, padding)  # (2)

    @staticmethod
    def adjoint(y_bar, padding):
        return torch.constant_pad_nd(y_bar, [-amount for amount in padding])  # (3)

    @staticmethod
    def fast_value(x, padding, constant):
        y = constant_pad(x, padding, constant)
        return y.clone() if y is x else y

    @staticmethod
    def fast_adjoint(needs, y_bar, padding):
        return constant_pad(y_bar, [-amount for amount in padding])


def source(mode: str, size: int, left: int, right: int, device: torch.device) -> Tensor:
    """Where each of the size + left + right numbers of a row comes from: the index in (1)."""
    j = torch.arange(-left, size + right, device=device)
    if mode == "reflect":
        return size - 1 - (size - 1 - j.abs()).abs()
    if mode == "replicate":
        return j.clamp(0, size - 1)
    first, last = max(-left, 0), size - 1 - max(-right, 0)  # what cropping leaves
    return first + (j - first) % (last - first + 1)


def sources(mode: str, size: Sizes, padding: Sizes, device: torch.device) -> list[tuple[int, Tensor]]:
    """For each dimension that is padded, from the last on: the dimension, and the index in (1)."""
    places = enumerate(amounts(padding), start=1)
    return [(-axis, source(mode, size[-axis], left, right, device)) for axis, (left, right) in places]


class IndexPadFn(Function):
    """x, of which ``size`` is the shape, padded from itself."""

    @staticmethod
    def value(x, size, padding, mode):
        for axis, index in sources(mode, size, padding, x.device):
            x = x.index_select(axis, index)  # (1)
        return x

    @staticmethod
    def tangent(x_dot, size, padding, mode):
        return IndexPadFn.value(x_dot, size, padding, mode)  # (2)

    @staticmethod
    def adjoint(y_bar, size, padding, mode):
        for axis, index in sources(mode, size, padding, y_bar.device):
            shape = list(y_bar.shape)
            shape[axis] = size[axis]
            y_bar = y_bar.new_zeros(shape).index_add(axis, index, y_bar)  # (4)
        return y_bar


def amounts(padding: Sizes) -> list[tuple[int, int]]:
    """The flat list as pairs (left, right), last dimension first."""
    return list(zip(padding[::2], padding[1::2], strict=True))


def constant_pad(x: Tensor, padding: Sizes, value: float = 0) -> Tensor:
    """(1) for a constant; ``padding`` is (left, right) of the last dimension, then of the one before it, ...
    With nothing to do, x itself."""
    if not any(padding):
        return x
    size, changes = list(x.shape), []
    for axis, (left, right) in zip(reversed(range(x.dim())), amounts(padding), strict=False):
        if left or right:
            size[axis] += left + right
            if size[axis] < 0:
                raise RuntimeError(f"padding {left}, {right} of a dimension of size {x.shape[axis]} leaves nothing")
            changes.append((axis, left, right))
    y = inner = empty(x, size).fill_(value)
    for axis, left, right in changes:
        length = size[axis] - max(left, 0) - max(right, 0)  # what of x lies in y
        inner = inner.narrow(axis, max(left, 0), length)
        x = x.narrow(axis, max(-left, 0), length) if length < x.shape[axis] else x
    inner.copy_(x)
    return y


def pad(x: Tensor, padding: Sequence[int], mode: str, constant: float) -> Tensor:
    """x with more of its last dimensions, by ``padding`` = (left, right, top, bottom, ...). See the module's page."""
    if mode == "constant":
        return ConstantPadFn.apply(x, tuple(padding), constant)
    return IndexPadFn.apply(x, tuple(x.shape), tuple(padding), mode)
