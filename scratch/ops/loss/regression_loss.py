"""Losses between a number and its target.

mse_loss        ℓ = (x − t)²                                          ℓ_x = 2 (x − t)              (1)
l1_loss         ℓ = |x − t|                                           ℓ_x = sign(x − t)            (2)
smooth_l1_loss  ℓ = (x − t)² / 2β where |x − t| < β, else |x − t| − β/2     ℓ_x = (x − t)/β, held in ±1   (3)
                  = m² / 2β + |x − t| − m          with m = min(|x − t|, β)
huber_loss      ℓ = (x − t)² / 2 where |x − t| ≤ δ, else δ (|x − t| − δ/2)  ℓ_x = x − t, held in ±δ       (4)
                  = m² / 2 + δ (|x − t| − m)       with m = min(|x − t|, δ)

Shapes:     x, t (…), each broadcast to the other;   w as x
Tangent:    ℓ̇ = ℓ_x (ẋ − ṫ)        by scratch/ops/loss/point_loss.py, with ℓ_t = −ℓ_x
Adjoint:    x̄ = ℓ_x ℓ̄   t̄ = −x̄     and so the adjoint; w by reduction.py
Weights:    a mean is Σ w ℓ / Σ w for mse_loss and l1_loss, but the plain mean of w ℓ for huber_loss, as in PyTorch.
Saved:      x, t, w.   Recomputed: x − t.
Kinks:      sign(0) is 0. Second derivatives of (3) and (4) are 0 where |x − t| is just β or δ.
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

from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.warning import warn
from scratch.ops.loss.point_loss import PointLoss, weighted
from scratch.ops.loss.reduction import WeightedReduceFn, reduction_name


class MSELossFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    of_difference = True

    @staticmethod
    def loss(x, t):
        error = x - t
        return error * error  # (1)

    @staticmethod
    def derivatives(x, t):
        return 2 * (x - t)

    @staticmethod
    def fast_loss(x, t):
        error = x - t
        return error.mul_(error)

    @staticmethod
    def fast_derivatives(x, t):
        return (x - t).mul_(2)


class L1LossFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    of_difference = True

    @staticmethod
    def loss(x, t):
        return (x - t).abs()

    @staticmethod
    def derivatives(x, t):
        return (x - t).sgn().conj_physical()  # (2)


class SmoothL1LossFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    of_difference = True

    @staticmethod
    def loss(x, t, beta):
        size = (x - t).abs()
        m = size.clamp_max(beta)
        return m * m * (0.5 / beta) + (size - m)  # (3)

    @staticmethod
    def derivatives(x, t, beta):
        z = (x - t) / beta
        return torch.where(z.abs() < 1, z, z.sign())

    @staticmethod
    def fast_derivatives(x, t, beta):
        return (x - t).div_(beta).clamp_(-1, 1)


class HuberLossFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    of_difference = True

    @staticmethod
    def loss(x, t, delta):
        size = (x - t).abs()
        m = size.clamp_max(delta)
        return 0.5 * m * m + delta * (size - m)  # (4)

    @staticmethod
    def derivatives(x, t, delta):
        z = x - t
        return torch.where(z.abs() < delta, z, delta * z.sign())

    @staticmethod
    def fast_derivatives(x, t, delta):
        return (x - t).clamp_(-delta, delta)


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
