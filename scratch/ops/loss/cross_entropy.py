"""Cross-entropy of logits, and the negative log-likelihood of log-probabilities.

Shapes:     x (N, C, d₁, …)   e (N, C, d₁, …)   s, ℓ (N, d₁, …)   Σ over C
            t (N, d₁, …) class numbers, or q (N, C, d₁, …) probabilities;   w (C,)

With class numbers, in one Function from logits to loss:

    m = max x,  e = exp(x − m),  s = Σ e,  p = e / s = softmax(x)
    ℓ = a (log s + m − xₜ) + b Σ w (log s + m − x)                               (1)
    L = ℓ, Σ ℓ or Σ ℓ / Σ wₜ,     a = (1 − ε) wₜ,  b = ε / C,  both 0 where t is ignore_index

ε is the label smoothing, w = 1 without weights.
Tangent:    ℓ̇ = a (Σ p ẋ − ẋₜ) + b Σ w (Σ p ẋ − ẋ)                              (2)
Adjoint:    x̄ = ℓ̄ (a + b Σ w) p − ℓ̄ a [c = t] − ℓ̄ b w                           (3)

so that without smoothing the gradient is e scaled row by row, and one number more at each target. e and s are
outputs of the Function that its caller drops: they cost no second exp in (3), and a second derivative passes
through them with m held constant, which is exact because p does not depend on m:

    ė = e ẋ,  ṡ = Σ e ẋ          hence  x̄ += e (ē + s̄)                           (4)

With probabilities, y = log softmax(x) and q smoothed and weighted already, an affine map left to autograd:

    ℓ = −Σ q y                    L = ℓ, Σ ℓ or Σ ℓ / (N d₁ …)                   (5)
    x̄ = ℓ̄ (eʸ Σ q − q)   (6)      q̄ = −ℓ̄ y   (7)      through y: x̄ += ȳ − eʸ Σ ȳ   (8)

nll_loss takes y itself and class numbers:

    ℓ = −wₜ yₜ                    ȳ = −ℓ̄ wₜ [c = t]                              (9)

Saved:      e, s, t, w;  y, q;  t, w.   Recomputed: nothing.
Kinks:      none. A mean over nothing but ignored targets is NaN with gradient 0, as in PyTorch.
Errors:     IndexError for a class outside [0, C), ValueError for another batch size or an unknown reduction,
            RuntimeError for other wrong shapes and types, for smoothing above 1, and for weights that require
            a gradient while the target is class numbers.
Reference:  torch.nn.functional.cross_entropy, nll_loss. Differs: nothing.
Source:     Bridle, Probabilistic interpretation of feedforward classification network outputs (1990);
            Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the Inception architecture (2016).
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.elementwise import times_if
from scratch.ops.core.exponential import exp, exp_, largest
from scratch.ops.core.function import Function
from scratch.ops.loss.reduction import reduce, reduce_adjoint, reduction_name


class CrossEntropyFn(Function):
    """Class numbers: x -> L, e, s, with the row vectors kept as (N, 1, d₁, …)."""

    @staticmethod
    def forward(x, index, ignored, share, total, weight, reduction, smoothing):
        wide = widen(x)
        z = wide - largest(wide, 1)
        z_t = pick(z, index)
        z_w = (z if weight is None else z * column(weight, z)).sum(1, keepdim=True) if smoothing else None
        e = exp_(z)
        s = e.sum(1, keepdim=True)
        log_s = s.log()
        loss = log_s - z_t
        if share is not None:
            loss.mul_(share)
        if smoothing:
            mass = x.shape[1] if weight is None else weight.sum()
            loss.mul_(1 - smoothing).add_(log_s * mass - z_w, alpha=smoothing / x.shape[1])  # (1)
        loss = reduce_rows(loss.masked_fill_(ignored, 0), total, reduction)
        return (loss if wide is x else loss.to(x.dtype)), e, s

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *constants, ctx.reduction, ctx.smoothing = inputs
        ctx.dtype = x.dtype
        ctx.save_for_backward(*constants, *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_e, grad_s):
        index, ignored, share, total, weight, e, s = ctx.saved_tensors
        grad_x = None
        if grad is not None:
            grad = spread_rows(widen(grad), ignored, total, ctx.reduction)
            a = grad if share is None else grad * share
            if not ctx.smoothing:
                grad_x = e * (a / s)
            else:
                a, b = a * (1 - ctx.smoothing), grad * (ctx.smoothing / e.shape[1])
                if weight is None:
                    grad_x = e * ((a + b * e.shape[1]) / s) - b
                else:
                    grad_x = e * ((a + b * weight.sum()) / s) - b * column(weight, e)
            grad_x.scatter_add_(1, index, -a)  # (3)
        for extra in (grad_e, grad_s):
            if extra is not None:
                grad_x = e * extra if grad_x is None else grad_x + e * extra  # (4)
        return None if grad_x is None else grad_x.to(ctx.dtype), *(None for _ in ctx.needs_input_grad[1:])


class SoftCrossEntropyFn(Function):
    """Probabilities: x, q -> L, y."""

    @staticmethod
    def forward(x, q, reduction):
        z = widen(x) - largest(widen(x), 1)
        y = z - exp(z).sum(1, keepdim=True).log_()
        return reduce((y * q).sum(1).neg_(), reduction).to(torch.promote_types(x.dtype, q.dtype)), y

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, q, ctx.reduction = inputs
        ctx.dtype = x.dtype
        ctx.save_for_backward(q, output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_y):
        q, y = ctx.saved_tensors
        p = exp(y)
        grad_x = grad_q = None
        if grad_y is not None:
            grad_x = grad_y - p * grad_y.sum(1, keepdim=True)  # (8)
        if grad is not None:
            grad = reduce_adjoint(widen(grad), ctx.reduction, len(y) * y.shape[2:].numel())
            grad = grad.unsqueeze(1) if ctx.reduction == "none" else grad
            if ctx.needs_input_grad[0]:
                through_p = times_if(p, q.sum(1, keepdim=True) * grad)
                through_loss = torch.addcmul(through_p, q, grad, value=-1)  # (6)
                grad_x = through_loss if grad_x is None else grad_x + through_loss
            if ctx.needs_input_grad[1]:
                grad_q = (-y * grad).to(q.dtype)  # (7)
        return None if grad_x is None else grad_x.to(ctx.dtype), grad_q, None


class NLLLossFn(Function):
    """Class numbers and log-probabilities: y -> L."""

    @staticmethod
    def forward(y, index, ignored, share, total, reduction):
        loss = pick(y, index).neg_()
        if share is not None:
            loss.mul_(share)
        return reduce_rows(loss.masked_fill_(ignored, 0), total, reduction)

    @staticmethod
    def setup_context(ctx, inputs, output):
        y, *constants, ctx.reduction = inputs
        ctx.shape = y.shape
        ctx.save_for_backward(*constants)

    @staticmethod
    def backward(ctx, grad):
        index, ignored, share, total = ctx.saved_tensors
        grad = spread_rows(grad, ignored, total, ctx.reduction)
        a = grad if share is None else grad * share
        grad_y = a.new_zeros(ctx.shape).scatter_add_(1, index, -a)  # (9)
        return grad_y, *(None for _ in ctx.needs_input_grad[1:])


def reduce_rows(loss: Tensor, total: Tensor, reduction: str) -> Tensor:
    """L from the ℓ (N, 1, d₁, …) of rows."""
    if reduction == "none":
        return loss.squeeze(1)
    return loss.sum() / total if reduction == "mean" else loss.sum()


def spread_rows(grad: Tensor, ignored: Tensor, total: Tensor, reduction: str) -> Tensor:
    """Its adjoint: ℓ̄ (N, 1, d₁, …) from L̄."""
    if reduction == "none":
        grad = grad.unsqueeze(1)
    return (grad / total if reduction == "mean" else grad).masked_fill(ignored, 0)


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


def class_numbers(x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int):
    """Check and prepare: class numbers, which of them are ignored, their weights wₜ, and Σ wₜ.

    The first three are (N, 1, d₁, …); the weights are None where all are 1.
    """
    if x.shape[0] != target.shape[0]:
        raise ValueError(f"input has a batch of {x.shape[0]}, target one of {target.shape[0]}")
    if target.shape[1:] != x.shape[2:]:
        raise RuntimeError(f"target must be {[x.shape[0], *x.shape[2:]]}, but is {list(target.shape)}")
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"class numbers must be int64 or uint8, but are {target.dtype}")
    target = target.unsqueeze(1).long()
    counted = target != ignore_index
    ignored = counted.logical_not()
    index = target * counted  # 0 where it is ignored
    if weight is None:
        return index, ignored, None, counted.sum()
    check_weight(x, weight)
    if weight.requires_grad:
        raise RuntimeError("the loss is not differentiable by weight where the target is class numbers")
    if weight.dtype != x.dtype:
        raise RuntimeError(f"weight must be {x.dtype}, but is {weight.dtype}")
    share = pick(weight[None], index.view(1, -1)).view(index.shape).masked_fill_(ignored, 0)
    return index, ignored, share, share.sum()


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
    rows = class_numbers(x, target, weight, ignore_index)
    weight = weight if smoothing else None  # which only (1)'s second term asks for again
    loss = CrossEntropyFn.apply(x, *rows, weight, reduction, smoothing)[0]
    return loss.reshape(()) if input.dim() == 1 else loss


def without_classes(x, target, ignore_index: int, reduction: str, smoothing: float = 0.0) -> Tensor:
    """Of rows (N, 0, d₁, …), all of which are ignored: zeros, their mean 0/0, and NaN with smoothing, as in PyTorch."""
    target = target.unsqueeze(1)
    if x.dim() > 2 and target.numel():
        raise RuntimeError(f"target {list(target.shape)} does not go with the input {list(x.shape)}")
    ignored = target == ignore_index
    if not ignored.all():
        raise IndexError("target is not a class where there are none")
    zeros = x.sum(1, keepdim=True)
    loss = reduce_rows(zeros, zeros.new_zeros(()), reduction)
    return loss + math.nan if smoothing else loss


def soft_cross_entropy(x, q, weight, ignore_index, reduction, smoothing) -> Tensor:
    if not q.is_floating_point():
        raise RuntimeError(f"class probabilities must be floating numbers, but are {q.dtype}")
    if ignore_index >= 0:
        raise RuntimeError("ignore_index goes with class numbers, not with class probabilities")
    unbatched = x.dim() == 1
    if unbatched:
        x, q = x[None], q[None]
    if smoothing:
        q = q * (1 - smoothing) + smoothing / max(x.shape[1], 1)
    if weight is not None:
        check_weight(x, weight)
        q = q * column(weight, x)
    loss = SoftCrossEntropyFn.apply(x, q, reduction)[0]
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
    loss = NLLLossFn.apply(y, *class_numbers(y, target, weight, ignore_index), reduction)
    return loss.reshape(()) if input.dim() == 1 else loss
