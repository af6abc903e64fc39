"""How a loss becomes one number: its elements as they are, their sum, or their mean.

Shapes:     ℓ (…)   L (…) with "none", else ()
Tangent:    L̇ = ℓ̇,  Σ ℓ̇  or  Σ ℓ̇ / n                                          (1)
Adjoint:    ℓ̄ = L̄,  L̄  or  L̄ / n,  the same for every element                 (2)

Weighted:   L = w ℓ,  Σ w ℓ  or  Σ w ℓ / Σ w                                     (3)
            L̇ = w ℓ̇ + ℓ ẇ,  its Σ,  or (Σ (w ℓ̇ + ℓ ẇ) − L Σ ẇ) / Σ w             (4)
            ℓ̄ = w L̄,  w L̄  or  w L̄ / Σ w                                       (5)
            w̄ = ℓ L̄,  ℓ L̄  or  (ℓ − L) L̄ / Σ w,   ℓ summed where w was broadcast     (6)
"""

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.function import Function
from scratch.ops.core.warning import warn


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """(1)."""
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


def reduce_adjoint(grad: Tensor, reduction: str, count: int) -> Tensor:
    """(2), to be broadcast over the ``count`` elements; of none it is of no consequence, and 0/0 no derivative."""
    return grad / max(count, 1) if reduction == "mean" else grad


class WeightedReduceFn(Function):
    """ℓ, w -> L. It saves no L, which users divide in its place."""

    outputs = ("L",)

    @staticmethod
    def result_dtype(ell, w, reduction):
        return torch.promote_types(ell.dtype, w.dtype)

    @staticmethod
    def value(ell, w, reduction):
        if reduction == "none":
            return ell * w
        total = (ell * w).sum()
        return total / w.sum() if reduction == "mean" else total  # (3)

    @staticmethod
    def tangent(ell_dot, w_dot, ell, w, reduction):
        dot = w * ell_dot + ell * w_dot
        if reduction != "mean":
            return reduce(dot, reduction)
        L = (ell * w).sum() / w.sum()
        return (dot.sum() - L * w_dot.sum()) / w.sum()  # (4)

    @staticmethod
    def adjoint(L_bar, ell, w, reduction):
        share = L_bar / w.sum() if reduction == "mean" else L_bar
        ell_bar, w_bar = (w * share).expand(ell.shape), unbroadcast(ell * share, w.shape)  # (5)
        if reduction == "mean":
            w_bar = w_bar - (ell * w).sum() / w.sum() * share  # (6)
        return ell_bar, w_bar


def legacy_reduction(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction, unless one of the two deprecated arguments that it replaced is given."""
    if size_average is None and reduce is None:
        return reduction
    mean = "mean" if size_average is None or size_average else "sum"
    reduction = mean if reduce is None or reduce else "none"
    warn(f"size_average and reduce are deprecated, use reduction={reduction!r}", stacklevel=4)
    return reduction


def reduction_name(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The same, or ValueError where there is no such reduction."""
    reduction = legacy_reduction(reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', but is {reduction!r}")
    return reduction
