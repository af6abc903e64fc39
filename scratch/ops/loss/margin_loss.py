"""Losses with a margin: nothing is lost where the right side leads by enough.

hinge_embedding_loss  t = 1: ℓ = x;   t = −1: ℓ = max(0, m − x)                                   (1)
margin_ranking_loss   ℓ = max(0, m − t (x₁ − x₂))                                                 (2)
soft_margin_loss      ℓ = log(1 + e^(−t x))           ℓ_x = −t σ(−t x)                            (3)
cosine_embedding_loss c the cosine of x₁ and x₂;  t = 1: ℓ = 1 − c;   t = −1: ℓ = max(0, c − m)   (4)
triplet_margin_loss   ℓ = max(0, m + d(a, p) − d(a, n)),  d the p-norm or any function;
                      swap: d(p, n) instead of d(a, n) where it is smaller                        (5)
multi_margin_loss     z_j = m − x_t + x_j,  ℓ = w_t / C Σ_{j≠t} max(0, z_j)^p,   p = 1 or 2
                      h_j = w_t / C · p z_j^(p−1) [z_j > 0],   ℓ̇ = Σ h_j (ẋ_j − ẋ_t)               (6)
                      x̄_j = ℓ̄ h_j,   x̄_t = −ℓ̄ Σ h_j                                             (7)
multilabel_margin_loss   the labels k of a row are those before its first −1;  z_ki = 1 − x_k + x_i
                      ℓ = 1/C Σ_k Σ_i max(0, z_ki),  i over the classes that are not labels
                      ℓ̇ = 1/C Σ_k Σ_i [z_ki > 0] (ẋ_i − ẋ_k)                                      (8)
                      x̄_i = ℓ̄ / C Σ_k [z_ki > 0],   x̄_k = −ℓ̄ / C Σ_i [z_ki > 0]                  (9)

Shapes:     x, t (…) in (1) to (3), each broadcast to the others; x (N, D), t (N,) in (4); a, p, n (N, D) in (5);
            x (N, C), t (N,) in (6), labels (N, C) in (8). ℓ (N,), and L as in reduction.py. From (4) on N may
            be left out.
Tangent:    ℓ̇ = ℓ_x ẋ in (1) to (5), each ℓ_x the slope of the piece that x is on
Adjoint:    x̄ = ℓ_x ℓ̄; for both see scratch/ops/loss/point_loss.py
Saved:      the inputs.   Recomputed: the margins.
Kinks:      where a margin is just met the slope is 0. Of two equal distances in (5) each gets half.
Errors:     ValueError for an unknown reduction, for p not 1 or 2 in (6), and m ≤ 0 in (5); RuntimeError for other
            shapes or classes than the above.
Reference:  torch.nn.functional, under these names. Differs: (3) is finite and has a slope where PyTorch's e^(−t x)
            overflows; in (4) a norm counts as at least 1e-6, where PyTorch adds 1e-12 to its square. Of whole x (1) is
            a floating number, where PyTorch cuts m to a whole one and wraps what is below 0 in an unsigned type; so it
            does with −t in (2) and (3), products in (4), and 1 − t in multilabel_soft_margin_loss.
Source:     Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping (2006), for (1);
            Weston and Watkins, Support vector machines for multi-class pattern recognition (1999), for (6);
            Balntas, Riba, Ponsa and Mikolajczyk, Learning local feature descriptors with triplets (2016), for (5).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import log_one_plus_exp
from scratch.ops.core.dtype import autocast_wide, in_one_type, need_floating
from scratch.ops.core.function import Function, at_hand
from scratch.ops.distance import CosineFn, pairwise_distance
from scratch.ops.loss.point_loss import PointLoss
from scratch.ops.loss.reduction import reduce, reduce_adjoint, reduction_name


class HingeEmbeddingFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    constants = 1

    @staticmethod
    def loss(x, t, margin):
        return x.masked_fill(t == -1, 0) + (margin - x).clamp_min(0).masked_fill(t == 1, 0)  # (1)

    @staticmethod
    def derivatives(x, t, margin):
        return ((t != -1).to(x.dtype) - ((t != 1) & (margin - x > 0)).to(x.dtype),)


class MarginRankingFn(PointLoss):
    tensors = 3

    @staticmethod
    def loss(x1, x2, t, margin):
        return (margin - t * (x1 - x2)).clamp_min(0)  # (2)

    @staticmethod
    def derivatives(x1, x2, t, margin):
        lost = (margin - t * (x1 - x2) > 0).to(x1.dtype)
        return -t * lost, t * lost, (x2 - x1) * lost


class SoftMarginFn(PointLoss):
    layouts = "x (N)  t (N)  L ()"
    constants = 1

    @staticmethod
    def loss(x, t):
        return log_one_plus_exp(-(t * x))

    @staticmethod
    def derivatives(x, t):
        return (-t * (-t * x).sigmoid(),)  # (3)


class CosineHingeFn(PointLoss):
    constants = 1

    @staticmethod
    def loss(c, t, margin):
        return (1 - c).masked_fill(t != 1, 0) + (c - margin).clamp_min(0).masked_fill(t != -1, 0)  # (4)

    @staticmethod
    def derivatives(c, t, margin):
        return (((t == -1) & (c - margin > 0)).to(c.dtype) - (t == 1).to(c.dtype),)


class TripletHingeFn(PointLoss):
    """d(a, p) and d(a, n)."""

    of_difference = True

    @staticmethod
    def loss(near, far, margin):
        return (margin + near - far).clamp_min(0)  # (5)

    @staticmethod
    def derivatives(near, far, margin):
        return (margin + near - far > 0).to(near.dtype)


class MinimumFn(PointLoss):
    """The smaller of two; of equals each gets half of the gradient."""

    @staticmethod
    def loss(a, b):
        return a.minimum(b)

    @staticmethod
    def derivatives(a, b):
        share = ((b - a).sign() + 1) / 2
        return share, 1 - share


class MultiMarginFn(Function):
    """x (N, C), t (N, 1), w (C,) or None -> ℓ or L."""

    outputs = ("L",)

    @staticmethod
    def value(x, t, w, p, margin, reduction):
        z = (margin - x.gather(1, t) + x).clamp_min(0).scatter(1, t, 0)
        ell = (z if p == 1 else z * z).sum(1) / x.shape[1]
        return reduce(ell if w is None else ell * w[t.squeeze(1)], reduction)

    @staticmethod
    def tangent(x_dot, x, t, w, p, margin, reduction):
        return reduce((slopes(x, t, w, p, margin) * (x_dot - x_dot.gather(1, t))).sum(1), reduction)  # (6)

    @staticmethod
    def adjoint(L_bar, x, t, w, p, margin, reduction):
        h = slopes(x, t, w, p, margin) * reduce_adjoint(L_bar, reduction, len(t)).reshape(-1, 1)
        return h.scatter(1, t, -h.sum(1, keepdim=True))  # (7)


def slopes(x, t, w, p, margin):
    """h"""
    z = (margin - x.gather(1, t) + x).scatter(1, t, 0)
    h = ((z > 0).to(x.dtype) if p == 1 else 2 * z.clamp_min(0)) / x.shape[1]
    return h if w is None else h * w[t]


class MultiLabelMarginFn(Function):
    """x (N, C), the labels (N, C) with a mask of which count -> ℓ or L."""

    outputs = ("L",)

    @staticmethod
    def value(x, labels, counted, reduction):
        return reduce(lead(x, labels, counted).clamp_min(0).sum((1, 2)) / x.shape[1], reduction)

    @staticmethod
    def tangent(x_dot, x, labels, counted, reduction):
        lost = (lead(x, labels, counted) > 0).to(x.dtype)
        ell_dot = (lost.sum(1) * x_dot).sum(1) - (lost.sum(2) * x_dot.gather(1, labels)).sum(1)
        return reduce(ell_dot / x.shape[1], reduction)  # (8)

    @staticmethod
    def adjoint(L_bar, x, labels, counted, reduction):
        ell_bar = reduce_adjoint(L_bar, reduction, len(x)).reshape(-1, 1) / x.shape[1]
        lost = (lead(x, labels, counted) > 0).to(x.dtype)
        return lost.sum(1).scatter_add(1, labels, -lost.sum(2)) * ell_bar  # (9)


def lead(x: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """z (N, label, class), 0 where a label does not count or a class is a label."""
    z = 1 - x.gather(1, labels).unsqueeze(2) + x.unsqueeze(1)
    is_label = torch.zeros_like(x).scatter_add(1, labels, counted.to(x.dtype)) > 0
    return z.masked_fill(~counted.unsqueeze(2) | is_label.unsqueeze(1), 0)


SIGNED = {torch.uint8: torch.int8, torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def signed(t: Tensor) -> Tensor:
    """Targets ±1; of unsigned numbers the largest is −1, as in PyTorch."""
    return t.to(SIGNED.get(t.dtype, t.dtype))


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """A distance x of what is alike (t = 1), or what it lacks to the margin (t = −1); by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    return HingeEmbeddingFn.apply(*autocast_wide(input, signed(target)), margin, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """What x₁ lacks to lead x₂ by the margin (t = 1), or the other way round (t = −1); by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(f"the inputs have {input1.dim()}, {input2.dim()} and {target.dim()} dimensions")
    return MarginRankingFn.apply(*autocast_wide(input1, input2, target), margin, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + e^(−t x)) with t = ±1, by default its mean."""
    target = target.to(input.dtype) if input.is_floating_point() else target
    return SoftMarginFn.apply(*autocast_wide(input, target), reduction_name(reduction, size_average, reduce))


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos of what is alike (t = 1), or how far cos exceeds the margin (t = −1); by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    if target.dim() not in (0, 1) or not target.dim() + 1 == input1.dim() == input2.dim():
        shapes = f"{list(input1.shape)}, {list(input2.shape)} and {list(target.shape)}"
        raise RuntimeError(f"inputs (N, D) go with a target (N,), and (D,) with (), but got {shapes}")
    a, b = in_one_type(*autocast_wide(input1, input2))
    a, b = torch.broadcast_tensors(a, b)
    return CosineHingeFn.apply(CosineFn.apply(a, b, 1e-6), signed(target), margin, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """How far the negative is from being further than the positive by the margin; by default its mean."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        *autocast_wide(anchor, positive, negative),
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=reduction_name(reduction, size_average, reduce),
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The same with any distance, by default the Euclidean."""
    reduction = reduction_name(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, but is {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(f"the inputs have {anchor.dim()}, {positive.dim()} and {negative.dim()} dimensions")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = MinimumFn.apply(far, distance(positive, negative), "none")
    return TripletHingeFn.apply(near, far, margin, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """What the right class lacks to lead each other one by the margin; by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, but is {p}")
    if weight is not None and weight.dim() != 1:
        raise ValueError(f"weight must have one dimension, but has {weight.dim()}")
    need_floating(input.dtype, "multi_margin_loss")
    if target.dtype is not torch.int64:
        raise RuntimeError(f"class numbers must be int64, but are {target.dtype}")
    x = input if input.dim() > 1 else input.reshape(1, -1)
    if x.dim() != 2 or x.shape[1] == 0 or target.numel() != len(x) or target.dim() > 1:
        raise RuntimeError(f"target {list(target.shape)} does not go with input {list(input.shape)}")
    if weight is not None and len(weight) != x.shape[1]:
        raise RuntimeError(f"weight must have {x.shape[1]} classes, but has {len(weight)}")
    try:
        loss = MultiMarginFn.apply(*autocast_wide(x), target.reshape(-1, 1), weight, p, margin, reduction)
    except IndexError as error:
        raise RuntimeError(str(error)) from None
    return loss if target.dim() or reduction != "none" else loss.reshape(())


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """What each label lacks to lead each class that is none by 1; by default its mean."""
    reduction = reduction_name(reduction, size_average, reduce)
    need_floating(input.dtype, "multilabel_margin_loss")
    if target.dtype is not torch.int64:
        raise RuntimeError(f"labels must be int64, but are {target.dtype}")
    if input.shape != target.shape or input.dim() > 2 or (input.dim() and input.shape[-1] == 0):
        raise RuntimeError(f"target {list(target.shape)} does not go with input {list(input.shape)}")
    x, t = (tensor.reshape(1, -1) if tensor.dim() < 2 else tensor for tensor in (input, target))
    counted = (t == -1).cumsum(1) == 0
    if at_hand(t) and ((t < -1) | (t >= x.shape[1])).any():
        raise RuntimeError(f"labels must be classes in [0, {x.shape[1]}), or −1")
    loss = MultiLabelMarginFn.apply(*autocast_wide(x), t.masked_fill(~counted, 0), counted, reduction)
    return loss if input.dim() > 1 or reduction != "none" else loss.reshape(())
