"""Connectionist temporal classification: the probability that T steps of labels and blanks spell a given text.

A path is one label or a blank for each step; it spells what is left when repeats are merged and then blanks dropped.
With l the text with a blank before, between and after its S labels (L = 2S + 1 places), and e_t(s) = y_t(l_s) the
log-probability that step t gives to place s, sums in the space of logarithms (⊕ is log-sum-exp):

    α_t(s) = e_t(s) + (α_{t−1}(s) ⊕ α_{t−1}(s−1) ⊕ α_{t−1}(s−2)),    α_0 = e_0 at places 0 and 1, else −∞    (1)
    β_t(s) = (e+β)_{t+1}(s) ⊕ (e+β)_{t+1}(s+1) ⊕ (e+β)_{t+1}(s+2),   β = 0 at the two last places of the last step   (2)
    ℓ = −log Σ of the paths = −(α_{T−1}(L−1) ⊕ α_{T−1}(L−2))                                              (3)

A step over two places is allowed only onto a label that differs from the one two before. α + β is the log-probability
of all paths through s at t, so with γ_t(c) = Σ exp(α_t(s) + β_t(s) + ℓ) over the places s with l_s = c, the probability
that step t says c given the text:

Shapes:     y (T, N, C) log-probabilities   targets (N, S), or all joined in one row   lengths (N,)   ℓ (N,)
            a single y (T, C) has no N.   L: ℓ, Σ ℓ, or the mean of ℓ / S
Tangent:    ℓ̇ = −Σ γ_t(c) ẏ_t(c)
Adjoint:    ȳ_t(c) = ℓ̄ (exp y_t(c) − γ_t(c))                                                           (4)
            PyTorch's convention: exp y is not part of the transpose, it is what log_softmax would subtract. Below a
            log_softmax, whose adjoint takes exp y Σ ȳ away, both give the same, as Σ (exp y − γ) = 0 and Σ γ = 1.
Saved:      y, the places, α, ℓ.   Recomputed: β.
Kinks:      a text that no path spells has ℓ = ∞ and gradient NaN; both are 0 with zero_infinity. Steps after a
            sequence's own length have gradient 0. A label of log-probability −∞ has γ = 0, where PyTorch has NaN.
Second order: none, as in PyTorch: (4) is no gradient to differentiate. Asking for one raises RuntimeError.
Errors:     RuntimeError for lengths that do not fit, a blank or labels outside [0, C), integers or wrong shapes.
Reference:  torch.nn.functional.ctc_loss. Differs: see kinks.
Source:     Graves, Fernández, Gomez and Schmidhuber, Connectionist temporal classification (2006).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.function import Function, numbers_known
from scratch.ops.loss.reduction import reduction_name


def log_sum_exp(*terms: Tensor) -> Tensor:
    """⊕, where −∞ is nothing."""
    stacked = torch.stack(terms)
    largest = stacked.amax(0).clamp_min(torch.finfo(stacked.dtype).min)
    return (stacked - largest).exp_().sum(0).log_().add_(largest)


def shifted(x: Tensor, by: int) -> Tensor:
    """x(s − by), −∞ from beyond the ends."""
    width = x.shape[1]
    outside = x.new_full((len(x), min(abs(by), width)), -math.inf)
    if by > 0:
        return torch.cat([outside, x[:, : max(width - by, 0)]], 1)
    return torch.cat([x[:, -by:], outside], 1)


def spaced(text: Tensor, blank: int) -> Tensor:
    """(N, S) with a blank before, between and after: (N, 2 S + 1)."""
    pairs = torch.stack([torch.full_like(text, blank), text], 2)
    return torch.cat([pairs.flatten(1), text.new_full((len(text), 1), blank)], 1)


class CTCLossFn(Function):
    """y (T, N, C), places l (N, L), which of them may be reached over two, lengths T and S (N,) -> ℓ, α."""

    @staticmethod
    def forward(y, places, jump, steps, labels, zero_infinity):
        wide = widen(y)
        T, N, _ = y.shape
        emission = wide.gather(2, places.expand(T, N, -1))
        alpha = torch.full_like(emission, -math.inf)
        if T:
            alpha[0, :, :2] = emission[0, :, :2]
        for t in range(1, T):
            before = alpha[t - 1]
            over = shifted(before, 2).masked_fill_(~jump, -math.inf)
            alpha[t] = log_sum_exp(before, shifted(before, 1), over).add_(emission[t])  # (1)
        nll = torch.where(labels == 0, 0.0, math.inf).to(wide.dtype)  # without steps
        if T:
            last = alpha.gather(0, (steps - 1).clamp_min(0).view(1, N, 1).expand(1, N, alpha.shape[2]))[0]
            ends = last.gather(1, torch.stack([2 * labels, (2 * labels - 1).clamp_min(0)], 1))
            ends[:, 1].masked_fill_(labels == 0, -math.inf)
            nll = torch.where(steps > 0, -log_sum_exp(ends[:, 0], ends[:, 1]), nll)  # (3)
        return nll.to(y.dtype), alpha

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.zero_infinity = inputs
        ctx.save_for_backward(*tensors, *output)
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, _):
        if grad is None:
            return (*[None] * 6,)
        return CTCGradientFn.apply(grad, *ctx.saved_tensors, ctx.zero_infinity), *[None] * 5


class CTCGradientFn(Function):
    """ℓ̄ and what `CTCLossFn` saved -> ȳ, which is not to be differentiated."""

    @staticmethod
    def forward(grad, y, places, jump, steps, labels, nll, alpha, zero_infinity):
        wide, nll = widen(y), widen(nll)
        (T, N, _), L = y.shape, places.shape[1]
        place = torch.arange(L, device=y.device)
        end = (place == 2 * labels[:, None]) | (place == 2 * labels[:, None] - 1)
        jump_from = shifted(jump.to(wide.dtype), -2) > 0
        log_gamma, beta = [], wide.new_full((N, L), -math.inf)
        for t in reversed(range(T)):
            if t + 1 < T:
                after = beta + wide[t + 1].gather(1, places)
                over = shifted(after, -2).masked_fill_(~jump_from, -math.inf)
                beta = log_sum_exp(after, shifted(after, -1), over)  # (2)
            beta = torch.where((steps == t + 1)[:, None], torch.where(end, 0.0, -math.inf).to(beta.dtype), beta)
            log_gamma.append(alpha[t] + beta)
        gamma = (torch.stack(log_gamma[::-1]) + nll[:, None]).exp_() if T else alpha
        occupied = torch.zeros_like(wide).scatter_add(2, places.expand(T, N, L), gamma)
        grad_y = (wide.exp() - occupied) * widen(grad)[:, None]  # (4)
        grad_y = grad_y.masked_fill_((nll == math.inf)[:, None], 0.0 if zero_infinity else math.nan)
        beyond = torch.arange(T, device=y.device)[:, None] >= steps
        return grad_y.masked_fill_(beyond[:, :, None], 0).to(y.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("ctc_loss has no second derivative")


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log of the probability that the steps spell the targets, by default the mean of it per label."""
    reduction = reduction_name(reduction)
    need_floating(log_probs.dtype, "ctc_loss")
    (log_probs,) = autocast_wide(log_probs)
    unbatched = log_probs.dim() == 2
    y = log_probs[:, None] if unbatched else log_probs
    if y.dim() != 3:
        raise RuntimeError(f"log_probs must be (T, N, C) or (T, C), but are {list(log_probs.shape)}")
    T, N, C = y.shape
    if y.numel() == 0:
        raise RuntimeError(f"log_probs must not be empty, but are {list(log_probs.shape)}")
    if not 0 <= blank < C:
        raise RuntimeError(f"blank {blank} is not a label in [0, {C})")
    for lengths in (input_lengths, target_lengths):
        if isinstance(lengths, Tensor) and (lengths.is_floating_point() or lengths.dtype is torch.bool):
            raise RuntimeError(f"lengths must be whole numbers, but are {lengths.dtype}")
    steps, labels = (
        torch.as_tensor(lengths, dtype=torch.long, device=y.device).reshape(-1)
        for lengths in (input_lengths, target_lengths)
    )
    if len(steps) != N or len(labels) != N:
        raise RuntimeError(f"a batch of {N} needs as many lengths, but got {len(steps)} and {len(labels)}")
    known = numbers_known(y)
    if known and N and not (int(steps.min()) >= 0 and int(steps.max()) <= T and int(labels.min()) >= 0):
        raise RuntimeError(f"lengths must be at least 0, those of inputs at most {T}")
    rows = targets.reshape(N, -1) if unbatched else targets
    longest = rows.shape[-1] if not known else int(labels.max()) if N else 0
    place = torch.arange(longest, device=y.device).expand(N, -1)
    if rows.dim() == 2:
        if rows.shape[0] != N or rows.shape[1] < longest:
            raise RuntimeError(f"targets {list(targets.shape)} do not fit a batch of {N} with up to {longest} labels")
        text = rows[:, :longest]
    else:
        if rows.dim() != 1 or (known and len(targets) != int(labels.sum())):
            raise RuntimeError(f"targets {list(targets.shape)} do not fit {int(labels.sum())} labels in all")
        start = (labels.cumsum(0) - labels)[:, None]
        text = targets[(start + place).clamp_max(max(len(targets) - 1, 0))] if longest else place
    text = text.long().masked_fill(place >= labels[:, None], blank)
    if known and text.numel() and not (text.min() >= 0 and text.max() < C):
        raise RuntimeError(f"targets must be labels in [0, {C})")
    differs = text != torch.cat([text[:, :1], text[:, :-1]], 1)
    loss = CTCLossFn.apply(y, spaced(text, blank), spaced(differs, False), steps, labels, zero_infinity)[0]
    if zero_infinity:
        loss = torch.where(loss == math.inf, 0, loss)
    if reduction == "mean":
        return (loss / labels.clamp_min(1)).mean()
    return loss.sum() if reduction == "sum" else loss.reshape(()) if unbatched else loss
