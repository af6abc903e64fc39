"""Losses that are negative log-likelihoods, and the divergence of one distribution from another.

poisson_nll_loss   counts t with logarithmic rate x, or rate x:
                   ℓ = eˣ − t x          ℓ_x = eˣ − t            ℓ_t = −x                       (1)
                   ℓ = x − t log(x + ε)  ℓ_x = 1 − t / (x + ε)   ℓ_t = −log(x + ε)              (2)
   full            + t log t − t + ½ log 2πt where t > 1 (Stirling, for log t!)   ℓ_t += log t + 1/2t   (3)
gaussian_nll_loss  t normal with mean x and variance v, taken as ε where it is smaller:
                   ℓ = ½ (log v + (x − t)² / v)     full: + ½ log 2π                            (4)
                   ℓ_x = (x − t) / v,  ℓ_t = −ℓ_x,  ℓ_v = ½ (1 − (x − t)² / v) / v                 (5)
kl_div             of t from eˣ:         ℓ = t (log t − x)       ℓ_x = −t    ℓ_t = log t + 1 − x   (6)
   log_target      of eᵗ from eˣ:        ℓ = eᵗ (t − x)          ℓ_x = −eᵗ   ℓ_t = eᵗ (t + 1 − x)  (7)

Shapes:     x, t, v (…), each broadcast to the others
Tangent:    ℓ̇ = ℓ_x ẋ + ℓ_t ṫ + ℓ_v v̇;   adjoint: x̄ = ℓ_x ℓ̄, and so on: scratch/ops/loss/point_loss.py
Saved:      x, t, v.   Recomputed: the derivatives.
Kinks:      0 log 0 is 0. ℓ_v is (5) at ε also where v is smaller, as in PyTorch.
Errors:     ValueError for an unknown reduction, a negative variance or one whose shape does not fit.
Reference:  torch.nn.functional.poisson_nll_loss, gaussian_nll_loss, kl_div. Differs: ℓ_t of kl_div at t = 0 is −∞, its
            limit, and that of (3) finite, where PyTorch has NaN; in forward mode ℓ_v is (5) where v is smaller than ε,
            as in reverse mode, where PyTorch has 0.
Source:     Nix and Weigend, Estimating the mean and variance of the target probability distribution (1994);
            Kullback and Leibler, On information and sufficiency (1951).
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.function import numbers_known
from scratch.ops.core.warning import warn
from scratch.ops.loss.point_loss import PointLoss
from scratch.ops.loss.reduction import legacy_reduction, reduction_name


class PoissonNLLLossFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"

    @staticmethod
    def loss(x, t, log_input, full, eps):
        ell = x.exp() - t * x if log_input else x - t * (x + eps).log()  # (1), (2)
        if full:
            large = t.clamp_min(1)
            stirling = large * large.log() - large + 0.5 * (2 * math.pi * large).log()
            ell = ell + stirling.masked_fill(t <= 1, 0)  # (3)
        return ell

    @staticmethod
    def derivatives(x, t, log_input, full, eps):
        slope_x, slope_t = (x.exp() - t, -x) if log_input else (1 - t / (x + eps), -(x + eps).log())
        if full:
            large = t.clamp_min(1)
            slope_t = slope_t + (large.log() + 0.5 / large).masked_fill(t <= 1, 0)
        return slope_x, slope_t


class GaussianNLLLossFn(PointLoss):
    layouts = "x (N)  t (N)  v (N)  L ()"
    tensors = 3

    @staticmethod
    def loss(x, t, v, full, eps):
        v = v.clamp_min(eps)
        return 0.5 * (v.log() + (x - t).square() / v + (math.log(2 * math.pi) if full else 0))  # (4)

    @staticmethod
    def derivatives(x, t, v, full, eps):
        v = v + (eps - v.detach()).clamp_min(0)  # ε where it is smaller, as a constant shift
        slope = (x - t) / v
        return slope, -slope, 0.5 * (1 - slope * (x - t)) / v  # (5)


class KLDivFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"

    @staticmethod
    def loss(x, t):
        return torch.where(t == 0, 0, t * t.log()) - t * x

    @staticmethod
    def derivatives(x, t):
        return -t, t.log() + 1 - x  # (6)


class KLDivLogTargetFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"

    @staticmethod
    def loss(x, t):
        return t.exp() * (t - x)

    @staticmethod
    def derivatives(x, t):
        return -t.exp(), t.exp() * (t + 1 - x)  # (7)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−log of the Poisson probability of the counts, but for a constant; by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    return PoissonNLLLossFn.apply(*autocast_wide(input, target), log_input, full, eps, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """−log of the normal density of the target, but for a constant; by default its mean."""
    negative = var < 0 if isinstance(var, float) else None  # of a tensor it is looked up below
    if isinstance(var, float):
        var = var * torch.ones_like(input)  # of whole numbers, too, in floating ones
    need_floating(var.dtype, "gaussian_nll_loss with a var")
    if negative or (negative is None and numbers_known(var) and (var < 0).any()):
        raise ValueError("var must not be negative")
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif input.dim() != var.dim() or sum(v for x, v in zip(input.shape, var.shape, strict=True) if x != v) != 1:
            raise ValueError(f"var has shape {list(var.shape)}, which does not fit the input's {list(input.shape)}")
    return GaussianNLLLossFn.apply(input, target, var, full, eps, reduction_name(reduction))


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t − x) for log-probabilities x; "batchmean" is their sum divided by the first size."""
    if reduction == "mean" and size_average is None and reduce is None:
        message = "reduction='mean' divides by all numbers, 'batchmean' by the batch size alone"
        warn(message, stacklevel=2)
    reduction = legacy_reduction(reduction, size_average, reduce)
    batch_mean = reduction == "batchmean"
    reduction = "sum" if batch_mean else reduction_name(reduction)
    if not (input.is_floating_point() and target.is_floating_point()):
        raise RuntimeError(f"kl_div takes real numbers, but got {input.dtype} and {target.dtype}")
    loss = (KLDivLogTargetFn if log_target else KLDivFn).apply(*autocast_wide(input, target), reduction)
    return loss / input.shape[0] if batch_mean and input.dim() else loss
