"""Attention of recurrent networks: while it writes word t, a decoder in state qₜ asks which of the source's words to
look at, and gets the average of their values, weighted by how well each aligns.

Shapes:     q (N, T, Q)   k (N, S, K)   v (N, S, D)   mask (N, S), true where there is a word   c (N, T, D)
            P = softmax(X) over S,  X = −∞ where there is no word,    c = P v                       (1)

of scores X (N, T, S) that are either of Luong's,

            Xₜₛ = qₜ · kₛ   (dot)   or   Xₜₛ = (W qₜ) · kₛ   (general, W (K, Q)),                     (2)

or Bahdanau's, a network with one hidden layer of A units, of which the projections a = q Wᵀ (N, T, A) and b = k Uᵀ
(N, S, A) are computed once for each word and not for each pair:

            Xₜₛ = Σ_A w h,   h = tanh(aₜ + bₛ)    (N, T, S, A)                                      (3)
Tangent:    Ẋₜₛ = Σ_A ẇ h + w (1 − h²) (ȧₜ + ḃₛ)                                                      (4)
Adjoint:    āₜ = w Σₛ X̄ₜₛ (1 − h²)     b̄ₛ = w Σₜ X̄ₜₛ (1 − h²)     w̄ = Σ_NTS X̄ h                     (5)
            The derivatives of (1) and (2) are in ../activation/softmax.py, ../linear.py and ../matmul.py.
Saved:      a, b, w.   Recomputed: h, so that nothing as large as N · T · S · A outlives either pass.
Kinks:      none. A sentence without a single word is NaN.
Errors:     RuntimeError for shapes that do not fit.
Reference:  zoo.layers.AdditiveAttention and MultiplicativeAttention; torch.nn has neither.
Source:     Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and translate (2015);
            Luong, Pham and Manning, Effective approaches to attention-based neural machine translation (2015).
"""

import math

from torch import Tensor

from scratch.ops.activation.softmax import softmax
from scratch.ops.core.dtype import autocast, widen
from scratch.ops.core.function import Function
from scratch.ops.matmul import matmul


class AdditiveScoresFn(Function):
    @staticmethod
    def value(a, b, w):
        h = (a[:, :, None] + b[:, None]).tanh()
        return h @ w  # (3)

    @staticmethod
    def tangent(a_dot, b_dot, w_dot, a, b, w):
        h = (a[:, :, None] + b[:, None]).tanh()
        return h @ w_dot + ((1 - h * h) * (a_dot[:, :, None] + b_dot[:, None])) @ w  # (4)

    @staticmethod
    def adjoint(y_bar, a, b, w):
        h = (a[:, :, None] + b[:, None]).tanh()
        slope = 1 - h * h
        a_bar = (y_bar[:, :, None] @ slope).squeeze(2) * w
        b_bar = (y_bar.mT[:, :, None] @ slope.transpose(1, 2)).squeeze(2) * w
        w_bar = (y_bar.reshape(1, -1) @ h.reshape(-1, w.shape[0]))[0]
        return a_bar, b_bar, w_bar  # (5)

    @staticmethod
    def fast_adjoint(needs, y_bar, a, b, w):
        X_bar, wide_w = widen(y_bar), widen(w)
        h = (widen(a)[:, :, None] + widen(b)[:, None]).tanh_()
        w_bar = (X_bar.reshape(1, -1) @ h.reshape(-1, len(w)))[0] if needs[2] else None
        slope = h.square_().neg_().add_(1)
        a_bar = (X_bar[:, :, None] @ slope).squeeze(2) * wide_w
        b_bar = (X_bar.mT[:, :, None] @ slope.transpose(1, 2)).squeeze(2) * wide_w
        return a_bar, b_bar, w_bar


def additive_scores(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """(3) of projected queries a (N, T, A) and keys b (N, S, A), with weight (A,)."""
    return AdditiveScoresFn.apply(*autocast(a, b, weight))


def multiplicative_scores(query: Tensor, key: Tensor) -> Tensor:
    """(2) of queries (N, T, K), projected where they are to be, and keys (N, S, K)."""
    query, key = autocast(query, key)
    return matmul(query, key.mT)


def aligned(scores: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(1): c (N, T, D) and P (N, T, S)."""
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -math.inf)
    p = softmax(scores, -1)
    return matmul(*autocast(p, value)), p
