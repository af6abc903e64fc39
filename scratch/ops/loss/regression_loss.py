"""Losses between a number and its target.

mse_loss        ℓ = (x − t)²                                          ℓ_x = 2 (x − t)              (1)
l1_loss         ℓ = |x − t|                                           ℓ_x = sign(x − t)            (2)
smooth_l1_loss  ℓ = (x − t)² / 2β where |x − t| < β, else |x − t| − β/2   ℓ_x = (x − t)/β, held in ±1   (3)
huber_loss      ℓ = (x − t)² / 2 where |x − t| ≤ δ, else δ (|x − t| − δ/2)   ℓ_x = x − t, held in ±δ    (4)

Shapes:     x, t (…), each broadcast to the other;   w as x
Tangent:    ℓ̇ = ℓ_x (ẋ − ṫ);   with weights (w ℓ)˙ = w ℓ̇ + ℓ ẇ
Adjoint:    x̄ = ℓ_x ℓ̄   (5)     t̄ = −x̄   (6)     w̄ by scratch/ops/loss/reduction.py
Weights:    a mean is Σ w ℓ / Σ w for mse_loss and l1_loss, but the plain mean of w ℓ for huber_loss, as in PyTorch.
Saved:      x, t, w.   Recomputed: x − t.
Kinks:      sign(0) is 0.
Complex:    |x − t| is real, ℓ̇ = Re(ℓ_x (ẋ − ṫ)), and sign z the conjugate of z / |z|.
Errors:     ValueError for an unknown reduction or weights of another shape than x; NotImplementedError for
            integers alone (not l1_loss, nor mse_loss with weights); RuntimeError for β < 0 or δ ≤ 0. A warning where
            x and t differ in shape.
Reference:  torch.nn.functional.mse_loss, l1_loss, smooth_l1_loss, huber_loss. Differs: nothing.
Source:     Gauss, Theoria motus corporum coelestium (1809); Laplace, Sur quelques points du système du monde
            (1789); Huber, Robust estimation of a location parameter (1964); Girshick, Fast R-CNN (2015).
"""

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.dtype import autocast_wide, narrowed, need_floating, widen
from scratch.ops.core.elementwise import times_if
from scratch.ops.core.function import Function
from scratch.ops.core.warning import warn
from scratch.ops.loss.point_loss import PointLoss, weighted
from scratch.ops.loss.reduction import WeightedReduceFn, reduce, reduce_adjoint, reduction_name


class MSELossFn(Function):
    @staticmethod
    def forward(x, t, reduction):
        error = widen(x) - t
        return narrowed(reduce(error.mul_(error), reduction), x, t)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, t, ctx.reduction = inputs
        ctx.save_for_backward(x, t)

    @staticmethod
    def backward(ctx, grad):
        x, t = ctx.saved_tensors
        error = widen(x) - t
        error = times_if(error, reduce_adjoint(2 * widen(grad), ctx.reduction, error.numel()))
        grad_x = unbroadcast(error, x.shape).to(x.dtype) if ctx.needs_input_grad[0] else None  # (5)
        grad_t = unbroadcast(error.neg(), t.shape).to(t.dtype) if ctx.needs_input_grad[1] else None  # (6)
        return grad_x, grad_t, None


class L1LossFn(PointLoss):
    @staticmethod
    def value(x, t):
        return (x - t).abs()

    @staticmethod
    def slopes(x, t):
        sign = (x - t).sgn().conj()
        return sign, -sign  # (2)


def held(d: Tensor, bound: float) -> Tensor:
    """d, held in ± bound. Its slope at the bound is 0, which that of clamp is not before torch 2.14."""
    return torch.where(d.abs() < bound, d, d.sgn() * bound) if d.requires_grad else d.clamp(-bound, bound)


class SmoothL1LossFn(PointLoss):
    @staticmethod
    def value(x, t, beta):
        size = (x - t).abs()
        return torch.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)

    @staticmethod
    def slopes(x, t, beta):
        slope = held((x - t) / beta, 1)
        return slope, -slope  # (3)


class HuberLossFn(PointLoss):
    @staticmethod
    def value(x, t, delta):
        size = (x - t).abs()
        return torch.where(size <= delta, size * size * 0.5, delta * (size - 0.5 * delta))

    @staticmethod
    def slopes(x, t, delta):
        slope = held(x - t, delta)
        return slope, -slope  # (4)


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
    if weight is None:
        input, target = as_numbers(input, target, "mse_loss")
        return MSELossFn.apply(input, target, reduction)
    check_weight(input, weight)
    return WeightedReduceFn.apply(MSELossFn.apply(input, target, "none"), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute error, by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    compare_shapes(input, target)
    input, target, weight = autocast_wide(input, target, weight, cpu=weight is None)
    if weight is None:
        return L1LossFn.apply(input, target, reduction)
    check_weight(input, weight)
    return WeightedReduceFn.apply(L1LossFn.apply(input, target, "none"), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared where the error is below beta, absolute beyond, by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    compare_shapes(input, target)
    input, target = autocast_wide(input, target)
    if beta == 0:
        return L1LossFn.apply(input, target, reduction)
    input, target = as_numbers(input, target, "smooth_l1_loss")
    if beta < 0:
        raise RuntimeError(f"beta must be at least 0, but is {beta}")
    return SmoothL1LossFn.apply(input, target, beta, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared where the error is at most delta, beyond it delta times the absolute one, by default its mean."""
    reduction = reduction_name(reduction)
    compare_shapes(input, target)
    input, target = autocast_wide(input, target)
    input, target = as_numbers(input, target, "huber_loss")
    target = target.to(input.dtype) if input.is_floating_point() else target
    if delta <= 0:
        raise RuntimeError(f"delta must be positive, but is {delta}")
    if weight is None:
        return HuberLossFn.apply(input, target, delta, reduction)
    check_weight(input, weight)
    return weighted(HuberLossFn.apply(input, target, delta, "none"), weight, reduction)


def as_numbers(x: Tensor, t: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """The same, of which one at least is floating; booleans become numbers of the other's type."""
    need_floating(torch.promote_types(x.dtype, t.dtype), name)
    return x.to(t.dtype) if x.dtype is torch.bool else x, t.to(x.dtype) if t.dtype is torch.bool else t


def check_weight(x: Tensor, weight: Tensor) -> None:
    if weight.shape != x.shape:
        raise ValueError(f"weight has shape {list(weight.shape)}, but input {list(x.shape)}")


def compare_shapes(x: Tensor, t: Tensor) -> None:
    if x.shape != t.shape:
        warn(
            f"target {list(t.shape)} and input {list(x.shape)} are broadcast, which is seldom what is meant",
            stacklevel=3,
        )
