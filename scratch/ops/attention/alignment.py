"""Attention of recurrent networks: while it writes word t, a decoder in state qₜ asks which of the source's words to
look at, and gets the average of their values, weighted by how well each aligns.

Shapes:     q (N, T, Q)   k (N, S, K)   v (N, S, D)   mask (N, S), true where there is a word   c (N, T, D)
            P = softmax(X) over S,  X = −∞ where there is no word,    c = P v                       (1)

of scores X (N, T, S) that are either of Luong's,

            Xₜₛ = qₜ · kₛ   (dot)   or   Xₜₛ = (W qₜ) · kₛ   (general, W (K, Q)),                     (2)

or Bahdanau's, a network with one hidden layer of A units, of which the projections a = q Wᵀ (N, T, A) and b = k Uᵀ
(N, S, A) are computed once for each word and not for each pair:

            Xₜₛ = Σ_A w h,   h = tanh(aₜ + bₛ)    (N, T, S, A)                                      (3)
Tangent:    Ẋₜₛ = Σ_A ẇ h + w (1 − h²) (ȧₜ + ḃₛ)
Adjoint:    āₜ = w Σₛ X̄ₜₛ (1 − h²)     b̄ₛ = w Σₜ X̄ₜₛ (1 − h²)     w̄ = Σ_NTS X̄ h                     (4)

Those of (1) and (2) are in scratch/ops/activation/softmax.py, linear.py and attention.py (ProductFn).
Saved:      a, b, w.   Recomputed: h, so that nothing as large as N · T · S · A outlives either pass.
Kinks:      none. A sentence without a single word is NaN.
Errors:     RuntimeError for shapes that do not fit.
Reference:  zoo.layers.AdditiveAttention and MultiplicativeAttention; torch.nn has neither.
Source:     Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and translate (2015);
            Luong, Pham and Manning, Effective approaches to attention-based neural machine translation (2015).
"""

import math

from torch import Tensor

from scratch.ops.activation.sigmoid import tanh
from scratch.ops.activation.softmax import softmax
from scratch.ops.attention.attention import ProductFn
from scratch.ops.core.dtype import autocast, widen
from scratch.ops.core.function import Function, in_place


class AdditiveScoresFn(Function):
    @staticmethod
    def forward(a, b, w):
        h = (widen(a)[:, :, None] + widen(b)[:, None]).tanh_()
        return (h @ widen(w)).to(a.dtype)  # (3)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        a, b, w = ctx.saved_tensors
        x_bar, wide_w, fast = widen(grad), widen(w), in_place(grad)
        total = widen(a)[:, :, None] + widen(b)[:, None]
        h = total.tanh_() if fast else tanh(total)
        grad_w = (x_bar.reshape(1, -1) @ h.reshape(-1, len(w)))[0] if ctx.needs_input_grad[2] else None
        slope = h.square_().neg_().add_(1) if fast else 1 - h * h
        grad_a = (x_bar[:, :, None] @ slope).squeeze(2) * wide_w  # (4)
        grad_b = (x_bar.mT[:, :, None] @ slope.transpose(1, 2)).squeeze(2) * wide_w
        return grad_a.to(a.dtype), grad_b.to(b.dtype), None if grad_w is None else grad_w.to(w.dtype)


def additive_scores(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """(3) of projected queries a (N, T, A) and keys b (N, S, A), with weight (A,)."""
    return AdditiveScoresFn.apply(*autocast(a, b, weight))


def multiplicative_scores(query: Tensor, key: Tensor) -> Tensor:
    """(2) of queries (N, T, K), projected where they are to be, and keys (N, S, K)."""
    query, key = autocast(query, key)
    return ProductFn.apply(query, key.mT)


def aligned(scores: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(1): c (N, T, D) and P (N, T, S)."""
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -math.inf)
    p = softmax(scores, -1)
    return ProductFn.apply(*autocast(p, value)), p
