"""Padding: more of an array at its borders.

Formula:    y[…, i, …] = x[…, source(i − left), …]   along each padded dimension of size n, with     (1)
                constant    source(j) = j inside 0 … n−1; outside stands a constant
                reflect     |j|, and 2(n−1) − j beyond the end: a mirror on the border element
                replicate   j clamped to 0 … n−1
                circular    j mod n
            Negative amounts crop; what circular repeats is what the cropping left.
Tangent:    (1) with the constant 0: padding copies numbers, hence is linear.
Adjoint:    each y̅ goes back to where its y came from, and meets there in a sum:
                constant    the pad by the negative amounts                                       (2)
                others      x̄[j] = Σ y̅[i] over all i with source(i − left) = j: index_add           (3)
Saved:      nothing but sizes.   Kinks: none.
Errors:     as torch.nn.functional.pad: RuntimeError for amounts that do not fit, NotImplementedError for an
            unknown mode or a number of dimensions that the mode does not take.
Reference:  torch.nn.functional.pad. Differs: circular after a cropping that leaves nothing is refused, where PyTorch
            returns memory as it finds it, and so is a reflection that leaves nothing.
"""

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes, empty
from scratch.ops.core.dtype import autocast_wide
from scratch.ops.core.function import Function
from scratch.ops.core.layout import keeps_channels_last


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


def amounts(padding: Sizes) -> list[tuple[int, int]]:
    """The flat list as pairs (left, right), last dimension first."""
    return list(zip(padding[::2], padding[1::2], strict=True))


class ConstantPadFn(Function):
    @staticmethod
    def forward(x, padding, value):
        y = constant_pad(x, padding, value)
        return y.clone() if y is x else y

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.padding, _ = inputs

    @staticmethod
    def backward(ctx, grad):
        return ConstantPadFn.apply(grad, tuple(-amount for amount in ctx.padding), 0), None, None  # (2)


def source(mode: str, size: int, left: int, right: int, device: torch.device) -> Tensor:
    """Where each of the size + left + right numbers of a row comes from: the index in (1)."""
    j = torch.arange(-left, size + right, device=device)
    if mode == "reflect":
        return size - 1 - (size - 1 - j.abs()).abs()
    if mode == "replicate":
        return j.clamp(0, size - 1)
    first, last = max(-left, 0), size - 1 - max(-right, 0)  # what cropping leaves
    return first + (j - first) % (last - first + 1)


class IndexPadFn(Function):
    @staticmethod
    def forward(x, padding, mode):
        for axis, (left, right) in enumerate(amounts(padding), start=1):
            x = x.index_select(-axis, source(mode, x.shape[-axis], left, right, x.device))
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.padding, ctx.mode = inputs
        ctx.size = x.shape

    @staticmethod
    def backward(ctx, grad):
        for axis, (left, right) in enumerate(amounts(ctx.padding), start=1):
            size = list(grad.shape)
            size[-axis] = ctx.size[-axis]
            index = source(ctx.mode, size[-axis], left, right, grad.device)
            grad = grad.new_zeros(size).index_add(-axis, index, grad)  # (3)
        return grad, None, None


def check(x: Tensor, padding: Sizes, mode: str, value: float | None) -> None:
    if len(padding) % 2 or len(padding) > 2 * x.dim():
        raise RuntimeError(f"pad must be pairs, one for each of at most {x.dim()} dimensions, but got {padding}")
    if mode == "constant":
        return
    if value:
        raise RuntimeError(f"padding mode {mode!r} takes no value, but got {value}")
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"padding mode {mode!r}: legal are constant, reflect, replicate, circular")
    dims = len(padding) // 2
    if not 1 <= dims <= 3 or x.dim() - dims not in (1, 2):
        raise NotImplementedError(f"mode {mode!r} pads the last 1, 2 or 3 dimensions of (C, ...) or (N, C, ...)")
    if mode != "circular" and 0 in x.shape[x.dim() - dims - 1 :]:
        raise RuntimeError(f"mode {mode!r} takes no empty dimension but the batch, and got {tuple(x.shape)}")
    for axis, (left, right) in enumerate(amounts(padding), start=1):
        size = x.shape[-axis]
        left_over = size + min(left, 0) + min(right, 0)
        limit = {"reflect": size - 1, "circular": left_over, "replicate": max(left, right)}[mode]
        least = 0 if mode == "circular" else 1
        if max(left, right) > limit or size + left + right < least:
            raise RuntimeError(f"padding {left}, {right} in mode {mode!r} does not fit size {size}")


@keeps_channels_last
def pad(input: Tensor, pad: Sizes, mode: str = "constant", value: float | None = None) -> Tensor:
    """More of the last dimensions, by ``pad`` = (left, right, top, bottom, ...). See the module's page."""
    check(input, pad, mode, value)
    if mode == "constant":
        return ConstantPadFn.apply(input, tuple(pad), 0 if value is None else value)
    if mode == "replicate" or (mode == "reflect" and len(pad) < 6):
        (input,) = autocast_wide(input, gpu=False)
    return IndexPadFn.apply(input, tuple(pad), mode)
