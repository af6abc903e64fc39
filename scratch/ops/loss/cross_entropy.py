"""Cross-entropy of logits, and the negative log-likelihood of log-probabilities.

Shapes:     x (N, C, d₁, …)   p, y (N, C, d₁, …)   ℓ (N, d₁, …)   sums over C
            t (N, d₁, …) class numbers, or q (N, C, d₁, …) probabilities;   w (C,) or None

With class numbers, and ε for label smoothing:
            n = x − max x,   s = Σ eⁿ,   p = eⁿ / s = softmax(x),   y = n − log s                (1)
            ℓ = −a yₜ − b Σ w y,   a = (1 − ε) wₜ,  b = ε / C,  both 0 where t is ignore_index    (2)
            L = ℓ,  Σ ℓ  or  Σ ℓ / Σ wₜ          w = 1 without weights                           (3)
Tangent:    ẏ = ẋ − Σ p ẋ,   ℓ̇ = −a ẏₜ − b Σ w ẏ,   ṗ = p ẏ                                     (4)
Adjoint:    x̄ = ℓ̄ ((a + b Σ w) p − a [c = t] − b w)                                             (5)
            Without smoothing it is p − [c = t], the error of the prediction. p is an output that callers drop: it costs
            no second exp in (5), and a second derivative goes through it,
            x̄ += p (p̄ − Σ p p̄)                                                                  (6)

With probabilities, q smoothed and weighted already, an affine map left to autograd:
            ℓ = −Σ q y,   L = ℓ,  Σ ℓ  or  Σ ℓ / (N d₁ …)                                        (7)
Tangent:    ẏ as in (4),   ℓ̇ = −Σ (q ẏ + q̇ y)                                                   (8)
Adjoint:    x̄ = g − eʸ Σ g   with g = ȳ − ℓ̄ q   (9)      q̄ = −ℓ̄ y                                (10)

nll_loss takes y itself and class numbers:
            ℓ = −wₜ yₜ   (11)     ℓ̇ = −wₜ ẏₜ   (12)     ȳ = −ℓ̄ wₜ [c = t]                          (13)

Saved:      p, t, w;  y, q;  t, w.   Recomputed: nothing.
Kinks:      none. A mean over nothing but ignored targets is NaN with gradient 0, as in PyTorch.
Errors:     IndexError for a class outside [0, C), ValueError for another batch size or an unknown reduction,
            RuntimeError for other wrong shapes and types, for smoothing above 1, and for weights that require
            a gradient while the target is class numbers.
Reference:  torch.nn.functional.cross_entropy, nll_loss. Differs: nothing.
Source:     Bridle, Probabilistic interpretation of feedforward classification network outputs (1990);
            Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the Inception architecture (2016).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.exponential import exp, exp_, largest
from scratch.ops.core.function import Function
from scratch.ops.loss.reduction import reduce, reduce_adjoint, reduction_name


class CrossEntropyFn(Function):
    """Class numbers t (N, d₁, …) -> L, p."""

    outputs, dropped, keeps = ("L", "p"), ("p",), ("k", "counted", "w_t", "total")
    layouts = "x (N, C)  t (N)  w (C)  L ()  p (N, C)"

    @staticmethod
    def value(x, t, w, ignore_index, reduction, smoothing):
        n = x - largest(x, 1)
        e = n.exp()
        s = e.sum(1, keepdim=True)
        y, p = n - s.log(), e / s  # (1)
        k, counted, w_t = targets(t, w, ignore_index)
        ell = -(w_t * y.gather(1, k))
        if smoothing is not None:
            ell = (1 - smoothing) * ell - smoothing / x.shape[1] * weighted_sum(w, y)  # (2)
        return reduce_rows(ell, counted, w_t, reduction), p

    @staticmethod
    def tangent(x_dot, p, t, w, ignore_index, reduction, smoothing):
        y_dot = x_dot - (p * x_dot).sum(1, keepdim=True)
        k, counted, w_t = targets(t, w, ignore_index)
        ell_dot = -(w_t * y_dot.gather(1, k))
        if smoothing is not None:
            ell_dot = (1 - smoothing) * ell_dot - smoothing / p.shape[1] * weighted_sum(w, y_dot)
        return reduce_rows(ell_dot, counted, w_t, reduction), p * y_dot  # (4)

    @staticmethod
    def adjoint(L_bar, p_bar, p, t, w, ignore_index, reduction, smoothing):
        k, counted, w_t = targets(t, w, ignore_index)
        ell_bar = spread_rows(L_bar, counted, w_t, reduction)
        a, rest, mass = ell_bar * w_t, 0, 0
        if smoothing is not None:
            a, b = (1 - smoothing) * a, smoothing / p.shape[1] * ell_bar
            rest, mass = b * row(w, p), b * (p.shape[1] if w is None else w.sum())
        x_bar = ((a + mass) * p - rest).scatter_add(1, k, -a)  # (5)
        if isinstance(p_bar, Tensor):
            x_bar = x_bar + p * (p_bar - (p * p_bar).sum(1, keepdim=True))  # (6)
        return x_bar

    @staticmethod
    def compiled_if(x, t, w, ignore_index, reduction, smoothing):
        return x.dim() == 2 and reduction != "none"

    @staticmethod
    def fast_value(x, t, w, ignore_index, reduction, smoothing):
        wide, w = widen(x), None if w is None else widen(w)
        n = wide - largest(wide, 1)
        k, counted, w_t = targets(t, w, ignore_index)
        n_t = n.gather(1, k)
        n_w = None if smoothing is None else weighted_sum(w, n)
        p = exp_(n)
        s = p.sum(1, keepdim=True)
        p.mul_(s.reciprocal())
        log_s = s.log_()
        ell = (log_s - n_t).mul_(w_t)
        if smoothing is not None:
            mass = x.shape[1] if w is None else w.sum()
            ell.mul_(1 - smoothing).add_(log_s * mass - n_w, alpha=smoothing / x.shape[1])
        ell.masked_fill_(counted.logical_not(), 0)
        if reduction == "none":
            return ell.squeeze(1).to(x.dtype), p, k, counted, w_t, None
        total = total_weight(counted, w_t) if reduction == "mean" else None
        L = ell.sum() if total is None else ell.sum() / total
        return L.to(x.dtype), p, k, counted, w_t, total

    @staticmethod
    def fast_adjoint(needs, L_bar, p, w, reduction, smoothing, k, counted, w_t, total):
        L_bar, w = widen(L_bar), None if w is None else widen(w)
        L_bar = L_bar.unsqueeze(1) if reduction == "none" else L_bar if total is None else L_bar / total
        ell_bar = torch.where(counted, L_bar, 0)
        a = ell_bar if w is None else ell_bar * w_t
        if smoothing is None:
            return (p * a).scatter_add_(1, k, -a)
        a, b = a * (1 - smoothing), ell_bar * (smoothing / p.shape[1])
        mass = p.shape[1] if w is None else w.sum()
        return (p * (a + b * mass)).sub_(b * row(w, p)).scatter_add_(1, k, -a)


class SoftCrossEntropyFn(Function):
    """Probabilities q -> L, y."""

    outputs, dropped = ("L", "y"), ("y",)
    layouts = "x (N, C)  q (N, C)  L ()  y (N, C)"

    @staticmethod
    def value(x, q, reduction):
        n = x - largest(x, 1)
        y = n - n.exp().sum(1, keepdim=True).log()
        return reduce(-(q * y).sum(1), reduction), y  # (7)

    @staticmethod
    def tangent(x_dot, q_dot, q, y, reduction):
        y_dot = x_dot - (y.exp() * x_dot).sum(1, keepdim=True)
        return reduce(-(q * y_dot + q_dot * y).sum(1), reduction), y_dot  # (8)

    @staticmethod
    def adjoint(L_bar, y_bar, q, y, reduction):
        ell_bar = reduce_adjoint(L_bar, reduction, y.shape[0] * y.shape[2:].numel())
        ell_bar = ell_bar.unsqueeze(1) if reduction == "none" else ell_bar
        g = y_bar - ell_bar * q
        return g - y.exp() * g.sum(1, keepdim=True), -ell_bar * y  # (9), (10)

    @staticmethod
    def result_dtype(x, q, reduction):
        return torch.promote_types(x.dtype, q.dtype)

    @staticmethod
    def compiled_if(x, q, reduction):
        return x.dim() == 2 and reduction != "none"

    @staticmethod
    def fast_value(x, q, reduction):
        n = widen(x) - largest(widen(x), 1)
        y = n.sub_(exp(n).sum(1, keepdim=True).log_())
        return reduce((y * q).sum(1).neg_(), reduction).to(torch.promote_types(x.dtype, q.dtype)), y

    @staticmethod
    def fast_adjoint(needs, L_bar, q, y, reduction):
        ell_bar = reduce_adjoint(widen(L_bar), reduction, len(y) * y.shape[2:].numel())
        ell_bar = ell_bar.unsqueeze(1) if reduction == "none" else ell_bar
        x_bar = q_bar = None
        if needs[0]:
            p = exp(y)
            mass = widen(q).sum(1, keepdim=True) * ell_bar
            p = p.mul_(mass) if p.dtype is mass.dtype else p * mass
            x_bar = torch.addcmul(p, q, ell_bar, value=-1)
        if needs[1]:
            q_bar = -y * ell_bar
        return x_bar, q_bar


class NLLLossFn(Function):
    """Class numbers t (N, d₁, …) and log-probabilities y -> L."""

    outputs = ("L",)

    @staticmethod
    def value(y, t, w, C, ignore_index, reduction):
        k, counted, w_t = targets(t, w, ignore_index)
        return reduce_rows(-(w_t * y.gather(1, k)), counted, w_t, reduction)  # (11)

    @staticmethod
    def tangent(y_dot, t, w, C, ignore_index, reduction):
        k, counted, w_t = targets(t, w, ignore_index)
        return reduce_rows(-(w_t * y_dot.gather(1, k)), counted, w_t, reduction)  # (12)

    @staticmethod
    def adjoint(L_bar, t, w, C, ignore_index, reduction):
        k, counted, w_t = targets(t, w, ignore_index)
        a = spread_rows(L_bar, counted, w_t, reduction) * w_t
        return a.new_zeros(t.shape[0], C, *t.shape[1:]).scatter_add(1, k, -a)  # (13)

    @staticmethod
    def fast_adjoint(needs, L_bar, t, w, C, ignore_index, reduction):
        k, counted, w_t = targets(t, w, ignore_index)
        a = spread_rows(L_bar, counted, w_t, reduction) * w_t
        return a.new_zeros(t.shape[0], C, *t.shape[1:]).scatter_add_(1, k, -a)  # (13), written where the zeros are


def targets(t, w, ignore_index):
    """Class numbers (N, 1, d₁, …), 0 where they are ignored; which of them count; and their weights, 1 without w."""
    t = t.unsqueeze(1)
    counted = t != ignore_index
    k = t * counted
    return k, counted, counted if w is None else w[k]


def row(w, x):
    """The class weights along dimension 1 of x, or 1."""
    return 1 if w is None else column(w, x)


def weighted_sum(w, y):
    """Σ w y over classes, which are kept as a dimension of size 1."""
    return (y if w is None else y * column(w, y)).sum(1, keepdim=True)


def total_weight(counted, w_t):
    """Σ wₜ over what counts."""
    return counted.sum() if w_t is counted else (w_t * counted).sum()


def reduce_rows(ell, counted, w_t, reduction):
    """L from the ℓ (N, 1, d₁, …) of rows."""
    ell = ell.masked_fill(counted.logical_not(), 0)
    if reduction == "none":
        return ell.squeeze(1)
    return ell.sum() / total_weight(counted, w_t) if reduction == "mean" else ell.sum()  # (3)


def spread_rows(L_bar, counted, w_t, reduction):
    """Its adjoint: ℓ̄ (N, 1, d₁, …) from L̄."""
    L_bar = L_bar.unsqueeze(1) if reduction == "none" else L_bar
    ell_bar = L_bar / total_weight(counted, w_t) if reduction == "mean" else L_bar
    return torch.where(counted, ell_bar, 0)


def column(weight: Tensor, x: Tensor) -> Tensor:
    """The class weights (C,) along dimension 1 of x."""
    return weight.view(-1, *(1 for _ in x.shape[2:]))


def pick(x: Tensor, index: Tensor) -> Tensor:
    """The entry of x (N, C, …) at each class number (N, 1, …)."""
    try:
        return x.gather(1, index)
    except RuntimeError:
        wrong = index[(index < 0) | (index >= x.shape[1])]
        if not len(wrong):
            raise
        raise IndexError(f"target {wrong[0]} is not a class in [0, {x.shape[1]})") from None


def class_numbers(x: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """The class numbers of the rows of x, where they fit."""
    if x.shape[0] != target.shape[0]:
        raise ValueError(f"input has a batch of {x.shape[0]}, target one of {target.shape[0]}")
    if target.shape[1:] != x.shape[2:]:
        raise RuntimeError(f"target must be {[x.shape[0], *x.shape[2:]]}, but is {list(target.shape)}")
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"class numbers must be int64 or uint8, but are {target.dtype}")
    if weight is not None:
        check_weight(x, weight)
        if weight.requires_grad:
            raise RuntimeError("the loss is not differentiable by weight where the target is class numbers")
        if weight.dtype != x.dtype:
            raise RuntimeError(f"weight must be {x.dtype}, but is {weight.dtype}")
    return target.long()


def of_classes(fn: Any, inputs: tuple[Any, ...], t: Tensor, C: int, ignore_index: int) -> Any:
    """The loss of class numbers; IndexError where one of them is no class."""
    try:
        return fn.apply(*inputs)
    except (RuntimeError, IndexError):
        wrong = t[(t != ignore_index) & ((t < 0) | (t >= C))]
        if not len(wrong):
            raise
        raise IndexError(f"target {wrong[0]} is not a class in [0, {C})") from None


def check_weight(x: Tensor, weight: Tensor) -> None:
    if weight.shape != x.shape[1:2]:
        raise RuntimeError(f"weight must have {x.shape[1]} classes, but has shape {list(weight.shape)}")


def batched(x: Tensor, target: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Give an unbatched x its dimension N, and its target (), or (1,) of one class only, as in PyTorch."""
    if x.dim() != 1:
        return x, target
    if target.dim() == 1 and target.shape[0] != 1:
        raise ValueError(f"one row of logits takes one target, but got {target.shape[0]}")
    if target.dim() > 1 or (target.dim() == 1 and classes != 1):
        raise RuntimeError(f"one row of logits takes a target without dimensions, but got {list(target.shape)}")
    return x[None], target.reshape(1)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ q log softmax(x) over dimension 1, or 0 of an unbatched x. See the module's page."""
    reduction = reduction_name(reduction, size_average, reduce)
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0 and 1, but is {label_smoothing}")
    smoothing = max(label_smoothing, 0.0)
    need_floating(input.dtype, "cross_entropy")
    input, target, weight = autocast_wide(input, target, weight)
    if input.shape == target.shape:
        return soft_cross_entropy(input, target, weight, ignore_index, reduction, smoothing)
    x, target = batched(input, target, input.shape[-1])
    if x.shape[1] == 0:
        loss = without_classes(x, target, ignore_index, reduction, smoothing)
        return loss.reshape(()) if input.dim() == 1 else loss
    t = class_numbers(x, target, weight)
    inputs = x, t, weight, ignore_index, reduction, smoothing or None
    loss, _ = of_classes(CrossEntropyFn, inputs, t, x.shape[1], ignore_index)
    return loss.reshape(()) if input.dim() == 1 else loss


def without_classes(x, target, ignore_index: int, reduction: str, smoothing: float = 0.0) -> Tensor:
    """Of rows (N, 0, d₁, …), all of which are ignored: zeros, their mean 0/0, and NaN with smoothing, as in PyTorch."""
    target = target.unsqueeze(1)
    if x.dim() > 2 and target.numel():
        raise RuntimeError(f"target {list(target.shape)} does not go with the input {list(x.shape)}")
    ignored = target == ignore_index
    if not ignored.all():
        raise IndexError("target is not a class where there are none")
    zeros = x.sum(1)
    loss = zeros if reduction == "none" else zeros.sum() / 0 if reduction == "mean" else zeros.sum()
    return loss + math.nan if smoothing else loss


def soft_cross_entropy(x, q, weight, ignore_index, reduction, smoothing) -> Tensor:
    if not q.is_floating_point():
        raise RuntimeError(f"class probabilities must be floating numbers, but are {q.dtype}")
    if ignore_index >= 0:
        raise RuntimeError("ignore_index goes with class numbers, not with class probabilities")
    dtype = torch.promote_types(x.dtype, q.dtype)
    unbatched = x.dim() == 1
    if unbatched:
        x, q = x[None], q[None]
    if smoothing or weight is not None:
        q = widen(q)
    if smoothing:
        q = q * (1 - smoothing) + smoothing / max(x.shape[1], 1)
    if weight is not None:
        check_weight(x, weight)
        q = q * column(weight, x)
    loss = SoftCrossEntropyFn.apply(x, q, reduction)[0].to(dtype)
    if reduction == "mean" and x.shape[1] == 0:
        loss = loss + math.nan  # without classes, as in PyTorch
    return loss.reshape(()) if unbatched else loss


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−wₜ yₜ for log-probabilities y along dimension 1. See the module's page."""
    reduction = reduction_name(reduction, size_average, reduce)
    if input.dim() == 0:
        raise ValueError("nll_loss needs at least one dimension")
    need_floating(input.dtype, "nll_loss")
    input, weight = autocast_wide(input, weight)
    y, target = batched(input, target, input.shape[-1])
    if y.shape[1] == 0:
        loss = without_classes(y, target, ignore_index, reduction)
        return loss.reshape(()) if input.dim() == 1 else loss
    t, C = class_numbers(y, target, weight), y.shape[1]
    loss = of_classes(NLLLossFn, (y, t, weight, C, ignore_index, reduction), t, C, ignore_index)
    return loss.reshape(()) if input.dim() == 1 else loss
