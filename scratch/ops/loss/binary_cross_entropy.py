"""Binary cross-entropy of a logit x with a target t in [0, 1].

    ℓ = −w (v t log σ(x) + (1 − t) log(1 − σ(x)))
      = w ((1 − t) x − g log σ(x)),   g = 1 + (v − 1) t                          (1)

w is the weight of an element and v = pos_weight that of the positive class, both 1 by default. log σ(x) is
computed as in scratch/ops/activation/sigmoid.py, without overflow or cancellation; log(1 − σ(x)) = log σ(x) − x.

Shapes:     x, t (…);   w, v broadcast to them
Derivatives:
    ℓ_x = w (g σ − v t)   with σ = σ(x), since (1 − t) − g = −v t                 (2)
    ℓ_t = −w ((v − 1) log σ(x) + x)                                              (3)
Tangent, adjoint:   scratch/ops/loss/point_loss.py
Saved:      x, t, w, v.   Recomputed: σ.

binary_cross_entropy takes a probability x in [0, 1] itself, its logarithms held above −100:

    ℓ = −t log x − (1 − t) log(1 − x)                                             (4)
    ℓ_x = (x − t) / (x (1 − x))   (5)     ℓ_t = log(1 − x) − log x   (6)

with x (1 − x) in (5) held above 1e-12, and (6) not held at all, as in PyTorch; weights by reduction.py.
Kinks:      none.
Errors:     ValueError where x and t differ in shape or for an unknown reduction; RuntimeError where w or v do
            not broadcast to x or require a gradient, and for an x or t of (4) outside [0, 1].
Reference:  torch.nn.functional.binary_cross_entropy_with_logits, binary_cross_entropy. Differs: nothing; the result
            has t's type.
Source:     Bishop, Neural Networks for Pattern Recognition (1995), section 6.7.
"""

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import LogSigmoidFn, log_sigmoid
from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import at_hand
from scratch.ops.loss.point_loss import PointLoss, weighted
from scratch.ops.loss.reduction import reduction_name


class BCEWithLogitsFn(PointLoss):
    layouts = "x (N)  t (N)  w (N)  v (N)  L ()"
    tensors, constants = 4, 2

    @staticmethod
    def loss(x, t, w, v):
        g = 1 if v is None else 1 + (v - 1) * t
        ell = (1 - t) * x - g * log_sigmoid(x)  # (1)
        return ell if w is None else w * ell

    @staticmethod
    def derivatives(x, t, w, v):
        if v is None:
            ell_x, ell_t = x.sigmoid() - t, -x
        else:
            ell_x = (1 + (v - 1) * t) * x.sigmoid() - v * t  # (2)
            ell_t = (1 - v) * LogSigmoidFn.apply(x) - x  # (3)
        return (ell_x, ell_t) if w is None else (w * ell_x, w * ell_t)

    @staticmethod
    def fast_loss(x, t, w, v):
        rest = x.abs().mul_(-LOG2_E).exp2_().log1p_().sub_(x.clamp_max(0))  # −log σ(x)
        if v is not None:
            rest = rest * ((v - 1) * t + 1)
        ell = torch.addcmul(rest, 1 - t, x, out=rest) if rest.dtype is x.dtype is t.dtype else rest + (1 - t) * x
        return ell if w is None else ell * w


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The binary cross-entropy of logits, by default its mean. See the module's page."""
    reduction = reduction_name(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"target has shape {list(target.shape)}, but input {list(input.shape)}")
    for given in (input, target):
        need_floating(given.dtype, "binary_cross_entropy_with_logits")
    for name, factor in (("weight", weight), ("pos_weight", pos_weight)):
        if factor is None:
            continue
        if factor.requires_grad:
            raise RuntimeError(f"the loss is not differentiable by {name}")
        if torch.broadcast_shapes(factor.shape, input.shape) != input.shape:
            raise RuntimeError(f"{name} {list(factor.shape)} does not broadcast to {list(input.shape)}")
    x, t, w, v = autocast_wide(input, target, weight, pos_weight)
    return BCEWithLogitsFn.apply(x, t, w, v, reduction).to(t.dtype)


SMALLEST = torch.tensor(1e-12, device="cpu").item()  # PyTorch's, which is in single precision


class BCEFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"

    @staticmethod
    def loss(x, t):
        return (t - 1) * (-x).log1p().clamp_min(-100) - t * x.log().clamp_min(-100)  # (4)

    @staticmethod
    def derivatives(x, t):
        return (x - t) / (x * (1 - x)).clamp_min(SMALLEST), (-x).log1p() - x.log()  # (5), (6)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The binary cross-entropy of probabilities, by default its mean. See the module's page."""
    reduction = reduction_name(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"target has shape {list(target.shape)}, but input {list(input.shape)}")
    if target.dtype is not input.dtype:
        raise RuntimeError(f"target is {target.dtype}, but input {input.dtype}")
    need_floating(input.dtype, "binary_cross_entropy")
    input, target, weight = autocast_wide(input, target, weight)
    for name, given in (("input", input), ("target", target)):
        if at_hand(given) and given.numel() and not (given.min() >= 0 and given.max() <= 1):
            raise RuntimeError(f"the probabilities of {name} must be between 0 and 1")
    if weight is None:
        return BCEFn.apply(input, target, reduction)
    if torch.broadcast_shapes(weight.shape, input.shape) != input.shape:
        raise RuntimeError(f"weight {list(weight.shape)} does not broadcast to {list(input.shape)}")
    return weighted(BCEFn.apply(input, target, "none"), weight, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes, in the last dimension, of the binary cross-entropy of logits; by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    need_floating(input.dtype, "multilabel_soft_margin_loss")
    if target.dtype is torch.bool:
        raise NotImplementedError("multilabel_soft_margin_loss takes numbers for targets, not booleans")
    dtype = torch.promote_types(input.dtype, target.dtype)
    loss = BCEWithLogitsFn.apply(input.to(dtype), target.to(dtype), None, None, "none")
    loss = (loss if weight is None else weighted(loss, weight, "none")).mean(-1)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()
