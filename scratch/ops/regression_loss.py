"""Losses between a number and its target.

mse_loss    ℓ = w (x − t)²,  L = ℓ, Σ ℓ or Σ ℓ / Σ w      (without weights w = 1)

Shapes:     x, t (…), each broadcast to the other;   w as x
Tangent:    ℓ̇ = 2 w (x − t) (ẋ − ṫ) + (x − t)² ẇ                         (1)
Adjoint:    x̄ = 2 w (x − t) ℓ̄   (2)     t̄ = −x̄   (3)     w̄ = (x − t)² ℓ̄   (4)
Saved:      x, t, w.   Recomputed: x − t.
Kinks:      none.
Errors:     ValueError for an unknown reduction or weights of another shape than x; NotImplementedError for
            integers. A warning where x and t differ in shape.
Reference:  torch.nn.functional.mse_loss. Differs: nothing.
Source:     Gauss, Theoria motus corporum coelestium (1809).
"""

import warnings

import torch
from torch import Tensor

from scratch.ops.broadcast import unbroadcast
from scratch.ops.dtype import autocast_wide, need_floating, widen
from scratch.ops.elementwise import times
from scratch.ops.function import Function
from scratch.ops.reduction import WeightedReduceFn, reduce, reduce_adjoint, reduction_name


class MSELossFn(Function):
    @staticmethod
    def forward(x, t, reduction):
        error = widen(x) - t
        return reduce(error.mul_(error), reduction).to(torch.promote_types(x.dtype, t.dtype))

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, t, ctx.reduction = inputs
        ctx.save_for_backward(x, t)

    @staticmethod
    def backward(ctx, grad):
        x, t = ctx.saved_tensors
        error = widen(x) - t
        error = times(error, reduce_adjoint(2 * widen(grad), ctx.reduction, error.numel()))
        grad_x = unbroadcast(error, x.shape).to(x.dtype) if ctx.needs_input_grad[0] else None  # (2)
        grad_t = unbroadcast(error.neg(), t.shape).to(t.dtype) if ctx.needs_input_grad[1] else None  # (3)
        return grad_x, grad_t, None


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared error, by default its mean. See the module's page."""
    reduction = reduction_name(reduction, size_average, reduce)
    compare_shapes(input, target)
    input, target, weight = autocast_wide(input, target, weight, cpu=weight is None)
    need_floating(torch.promote_types(input.dtype, target.dtype), "mse_loss")
    if weight is None:
        return MSELossFn.apply(input, target, reduction)
    if weight.shape != input.shape:
        raise ValueError(f"weight has shape {list(weight.shape)}, but input {list(input.shape)}")
    return WeightedReduceFn.apply(MSELossFn.apply(input, target, "none"), weight, reduction)


def compare_shapes(x: Tensor, t: Tensor) -> None:
    if x.shape != t.shape:
        warnings.warn(
            f"target {list(t.shape)} and input {list(x.shape)} are broadcast, which is seldom what is meant",
            stacklevel=3,
        )
