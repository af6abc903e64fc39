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
Tangent:    ℓ̇ = −Σ γ_t(c) ẏ_t(c)                                                                      (4)
Adjoint:    ȳ_t(c) = ℓ̄ (exp y_t(c) − γ_t(c))                                                           (5)
            PyTorch's convention: exp y is not part of the transpose, it is what log_softmax would subtract. Below a
            log_softmax, whose adjoint takes exp y Σ ȳ away, both give the same, as Σ (exp y − γ) = 0 and Σ γ = 1.
Saved:      y, the places, α, ℓ.   Recomputed: β.
Kinks:      a text that no path spells has ℓ = ∞ and gradient NaN; both are 0 with zero_infinity. Steps after a
            sequence's own length have gradient 0. A label of log-probability −∞ has γ = 0, where PyTorch has NaN.
            There is no second derivative, as in PyTorch: (5) is no gradient to differentiate. RuntimeError.
Errors:     RuntimeError for lengths that do not fit, a blank or labels outside [0, C), integers or wrong shapes.
Reference:  torch.nn.functional.ctc_loss. Differs: see kinks.
Source:     Graves, Fernández, Gomez and Schmidhuber, Connectionist temporal classification (2006).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.function import Function, numbers_known
from scratch.ops.loss.reduction import reduction_name


def log_sum_exp(*terms: Tensor) -> Tensor:
    """⊕, where −∞ is nothing."""
    stacked = torch.stack(terms)
    largest = stacked.amax(0).clamp_min(torch.finfo(stacked.dtype).min)
    return (stacked - largest).exp().sum(0).log() + largest


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

    outputs = ("ell", "alpha")

    @staticmethod
    def value(y, places, jump, steps, labels, zero_infinity):
        e = y.gather(2, places.expand(len(y), -1, -1))
        place = torch.arange(places.shape[1], device=y.device)
        alpha = [torch.where(place < 2, e[0], -math.inf)]
        for e_t in e[1:]:
            before = alpha[-1]
            over = shifted(before, 2).masked_fill(~jump, -math.inf)
            alpha.append(e_t + log_sum_exp(before, shifted(before, 1), over))  # (1)
        alpha = torch.stack(alpha)
        last = (steps - 1).clamp_min(0)[None, :, None].expand(1, -1, len(place))
        paths = alpha.gather(0, last)[0].masked_fill(~ends(labels, place), -math.inf)
        ell = -log_sum_exp(*paths.unbind(1))  # (3)
        return torch.where(steps > 0, ell, torch.where(labels == 0, 0.0, math.inf)), alpha  # without steps

    @staticmethod
    def tangent(y_dot, y, places, jump, steps, labels, ell, alpha):
        gamma = occupation(y, places, jump, steps, labels, ell, alpha)
        return -(gamma * y_dot).sum((0, 2))  # (4)

    @staticmethod
    def adjoint(ell_bar, y, places, jump, steps, labels, ell, alpha, zero_infinity):
        return CTCGradientFn.apply(ell_bar, y, places, jump, steps, labels, ell, alpha, zero_infinity)


def ends(labels, place):
    """Whether a text may end at a place: at its last label or the blank behind it."""
    return (place == 2 * labels[:, None]) | (place == 2 * labels[:, None] - 1)


def occupation(y, places, jump, steps, labels, ell, alpha):
    """γ (T, N, C), 0 beyond a sequence's own length."""
    end = ends(labels, torch.arange(places.shape[1], device=y.device))
    log_end = torch.where(end, 0.0, -math.inf).to(y.dtype)
    jump_from = shifted(jump.to(y.dtype), -2) > 0
    e = y.gather(2, places.expand(len(y), -1, -1))
    log_gamma, beta = [], torch.full_like(e[0], -math.inf)
    for t in reversed(range(len(y))):
        if t + 1 < len(y):
            after = beta + e[t + 1]
            over = shifted(after, -2).masked_fill(~jump_from, -math.inf)
            beta = log_sum_exp(after, shifted(after, -1), over)  # (2)
        beta = torch.where((steps == t + 1)[:, None], log_end, beta)
        log_gamma.append(alpha[t] + beta)
    gamma = (torch.stack(log_gamma[::-1]) + ell[:, None]).exp()
    return torch.zeros_like(y).scatter_add(2, places.expand(len(y), -1, -1), gamma)


class CTCGradientFn(Function):
    """ℓ̄ and what `CTCLossFn` saved -> ȳ, which is not to be differentiated."""

    @staticmethod
    def value(ell_bar, y, places, jump, steps, labels, ell, alpha, zero_infinity):
        gamma = occupation(y, places, jump, steps, labels, ell, alpha)
        y_bar = (y.exp() - gamma) * ell_bar[:, None]  # (5)
        y_bar = y_bar.masked_fill((ell == math.inf)[:, None], 0.0 if zero_infinity else math.nan)
        beyond = torch.arange(len(y), device=y.device)[:, None] >= steps
        return y_bar.masked_fill(beyond[:, :, None], 0)

    @staticmethod
    def tangent(ell_bar_dot, y_dot):
        raise RuntimeError("ctc_loss has no second derivative")

    @staticmethod
    def adjoint(y_bar):
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
