"""Binary cross-entropy of a logit x with a target t in [0, 1].

    ℓ = −w (v t log σ(x) + (1 − t) log(1 − σ(x)))
      = w ((1 − t) x − g log σ(x)),   g = 1 + (v − 1) t                          (1)

w is the weight of an element and v = pos_weight that of the positive class, both 1 by default. log σ(x) is
computed as in scratch/ops/activation/sigmoid.py, without overflow or cancellation; log(1 − σ(x)) = log σ(x) − x.

Shapes:     x, t (…);   w, v broadcast to them
Tangent:    ℓ̇ = w ((1 − t) − g (1 − σ)) ẋ − w ((v − 1) log σ + x) ṫ,   σ = σ(x)      (2)
Adjoint:    x̄ = ℓ̄ w (g σ − v t)   (3)      t̄ = −ℓ̄ w ((v − 1) log σ + x)   (4)
            (3) by (1 − t) − g = −v t.
Saved:      x, t, w, v.   Recomputed: σ.

binary_cross_entropy takes a probability x in [0, 1] itself, its logarithms held above −100:

    ℓ = −w (t log x + (1 − t) log(1 − x))                                         (5)
    x̄ = ℓ̄ w (x − t) / (x (1 − x))   (6)     t̄ = ℓ̄ w (log(1 − x) − log x)   (7)

with x (1 − x) in (6) held above 1e-12, and (7) not held at all, as in PyTorch.
Kinks:      none.
Errors:     ValueError where x and t differ in shape or for an unknown reduction; RuntimeError where w or v do
            not broadcast to x or require a gradient, and for an x or t of (5) outside [0, 1].
Reference:  torch.nn.functional.binary_cross_entropy_with_logits, binary_cross_entropy. Differs: nothing; the result
            has t's type.
Source:     Bishop, Neural Networks for Pattern Recognition (1995), section 6.7.
"""

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import log_sigmoid, logsigmoid
from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.elementwise import times_if
from scratch.ops.core.function import Function, at_hand
from scratch.ops.loss.point_loss import PointLoss, weighted
from scratch.ops.loss.reduction import reduce, reduce_adjoint, reduction_name


class BCEWithLogitsFn(Function):
    @staticmethod
    def forward(x, t, weight, pos_weight, reduction):
        wide = widen(x)
        log_sigma = log_sigmoid(wide)
        if pos_weight is not None:
            log_sigma = log_sigma * ((pos_weight - 1) * t + 1)
        loss = ((1 - t) * wide).sub_(log_sigma)  # (1)
        if weight is not None:
            loss = loss * weight
        return reduce(loss, reduction).to(t.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.reduction = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx, grad):
        x, t, weight, pos_weight = ctx.saved_tensors
        wide = widen(x)
        grad = reduce_adjoint(widen(grad), ctx.reduction, x.numel())
        if weight is not None:
            grad = grad * weight
        grad_x = grad_t = None
        if ctx.needs_input_grad[0]:
            sigma = wide.sigmoid()
            if pos_weight is None:
                grad_x = sigma - t
            else:
                grad_x = ((pos_weight - 1) * t + 1) * sigma - pos_weight * t
            grad_x = times_if(grad_x, grad).to(x.dtype)  # (3)
        if ctx.needs_input_grad[1]:
            slope = -wide
            if pos_weight is not None:
                slope = (1 - pos_weight) * logsigmoid(wide) - wide
            grad_t = times_if(slope, grad).to(t.dtype)  # (4)
        return grad_x, grad_t, None, None, None


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
    return BCEWithLogitsFn.apply(*autocast_wide(input, target, weight, pos_weight), reduction)


SMALLEST = torch.tensor(1e-12, device="cpu").item()  # PyTorch's, which is in single precision


class BCEFn(PointLoss):
    @staticmethod
    def value(x, t):
        return (t - 1) * (-x).log1p().clamp_min(-100) - t * x.log().clamp_min(-100)  # (5)

    @staticmethod
    def slopes(x, t):
        return (x - t) / (x * (1 - x)).clamp_min(SMALLEST), (-x).log1p() - x.log()  # (6), (7)


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
