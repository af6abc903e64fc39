"""How a loss becomes one number: its elements as they are, their sum, or their mean.

Shapes:     ℓ (…)   L (…) with "none", else ()
Tangent:    L̇ = ℓ̇,  Σ ℓ̇  or  Σ ℓ̇ / n                                          (1)
Adjoint:    ℓ̄ = L̄,  L̄  or  L̄ / n,  the same for every element                 (2)

Weighted:   L = w ℓ,  Σ w ℓ  or  Σ w ℓ / Σ w
            ℓ̄ = w L̄,  w L̄  or  w L̄ / Σ w                                       (3)
            w̄ = ℓ L̄,  ℓ L̄  or  (ℓ − L) L̄ / Σ w                                 (4)
"""

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
    @staticmethod
    def forward(loss, weight, reduction):
        if reduction == "none":
            return loss * weight
        total = (loss * weight).sum()
        return total / weight.sum() if reduction == "mean" else total

    @staticmethod
    def setup_context(ctx, inputs, output):
        loss, weight, ctx.reduction = inputs
        ctx.save_for_backward(loss, weight)  # not L, which users divide in its place

    @staticmethod
    def backward(ctx, grad):
        (loss, weight), mean = ctx.saved_tensors, ctx.reduction == "mean"
        if mean:
            grad = grad / weight.sum()
        grad_loss = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_loss = (grad * weight).expand(loss.shape)  # (3)
        if ctx.needs_input_grad[1]:
            grad_weight = unbroadcast(grad * loss, weight.shape)  # (4)
            if mean:
                grad_weight = grad_weight - grad * ((loss * weight).sum() / weight.sum())
        return grad_loss, grad_weight, None


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
