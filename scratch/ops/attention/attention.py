"""Scaled dot-product attention: every query row takes the average of all value rows, weighted by how well their keys
match it.

Shapes:     q (…, L, E)   k (…, S, E)   v (…, S, D)   M (…, L, S) additive mask   r (…, L, S) dropout   o (…, L, D)
Value:      X = c q kᵀ + M          scores, c = 1/√E unless given                                (1)
            P = exp(X − m) / s      probabilities, m = max X, s = Σ exp(X − m) for each row      (2)
            o = (P r) v             r = 1, or 0 with probability p and 1/(1 − p) else            (3)
Tangent:    Ẋ = c q̇ kᵀ + c q k̇ᵀ + Ṁ                                                             (4)
            Ṗ = P (Ẋ − Σ P Ẋ)                                                                   (5)
            ȯ = (Ṗ r) v + (P r) v̇                                                               (6)
Adjoint:    v̄ = (P r)ᵀ ō                                                                        (7)
            P̄ = (ō vᵀ) r                                                                        (8)
            X̄ = P (P̄ − Σ P P̄)          the Jacobian of the softmax is symmetric                   (9)
            q̄ = c X̄ k     k̄ = c X̄ᵀ q     M̄ = X̄                                                 (10)

Masks:      a boolean mask is M = 0 where it is true and −∞ where not; causal is M = −∞ for j > i.
            A row that may look nowhere has o = 0 and all gradients 0, as in PyTorch. The lowest number is not −∞: a
            row of it alone looks everywhere.
Saved:      q, k, v, M, and with dropout one byte for each r.   Recomputed: X, P.
Fast form:  attention_fast.py, with memory linear in L and S.
Random:     dropout draws the numbers torch's dropout of P would draw, so equal values under an equal seed on the CPU.
Kinks:      none.
Errors:     see scratch/nn/functional/attention.py.
Reference:  torch.nn.functional.scaled_dot_product_attention. Differs: it refuses v with another number of rows than
            k, and negative dropout_p in the same words as one above 1. PyTorch's gradients through a row of M that has
            the lowest number throughout are S times too large on a CPU, which keeps m + log s.
Source:     Vaswani et al., Attention is all you need (2017); Ainslie et al., GQA (2023).
"""

import math

import torch
from torch import Tensor

from scratch.ops.attention import attention_fast
from scratch.ops.core.dtype import without_autocast
from scratch.ops.core.function import Function


def scores(q, k, M, c, causal):
    """X"""
    X = c * q @ k.mT + (0 if M is None else M)  # (1)
    return X + X.new_full(X.shape[-2:], -math.inf).triu(1) if causal else X


def probabilities(X):
    """P; zeros for a row that may look nowhere."""
    if X.shape[-1] == 0:
        return X
    lowest = torch.finfo(X.dtype).min  # stands for m of a row of −∞: −∞ − lowest is −∞, not NaN
    P = (X - X.detach().amax(-1, keepdim=True).clamp_min(lowest)).exp()
    s = P.sum(-1, keepdim=True)
    return P / s.masked_fill(s == 0, 1)  # (2)


def factors(drawn, p, like):
    """r, where ``drawn`` says which are not 0"""
    return 1 if drawn is None else drawn.to(like.dtype) * (0 if p == 1 else 1 / (1 - p))


class AttentionFn(Function):
    """q, k, v, M and which of r are not 0 -> o. All have four dimensions, heads and what they belong to first; those
    of M may be 1."""

    keeps = ("kept", "sums")
    fast_if, fast_value = staticmethod(attention_fast.suits), staticmethod(attention_fast.value)
    fast_adjoint = staticmethod(attention_fast.adjoint)

    @staticmethod
    def value(q, k, v, M, drawn, c, causal, p):
        P = probabilities(scores(q, k, M, c, causal))
        return (P * factors(drawn, p, P)) @ v  # (3)

    @staticmethod
    def tangent(q_dot, k_dot, v_dot, M_dot, q, k, v, M, drawn, c, causal, p):
        P = probabilities(scores(q, k, M, c, causal))
        r = factors(drawn, p, P)
        X_dot = c * q_dot @ k.mT + c * q @ k_dot.mT + M_dot  # (4)
        P_dot = P * (X_dot - (P * X_dot).sum(-1, keepdim=True))  # (5)
        return (P_dot * r) @ v + (P * r) @ v_dot  # (6)

    @staticmethod
    def adjoint(y_bar, q, k, v, M, drawn, c, causal, p):
        P = probabilities(scores(q, k, M, c, causal))
        r = factors(drawn, p, P)
        v_bar = (P * r).mT @ y_bar  # (7)
        P_bar = (y_bar @ v.mT) * r  # (8)
        X_bar = P * (P_bar - (P * P_bar).sum(-1, keepdim=True))  # (9)
        return c * X_bar @ k, c * X_bar.mT @ q, v_bar, X_bar  # (10)


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drawn: Tensor | None, scale: float, causal: bool, p: float
) -> Tensor:
    """o for q (N, H, L, E), k (N, H, S, E), v (N, H, S, D). See the module's page."""
    with without_autocast(q):
        return AttentionFn.apply(q, k, v, mask, drawn, scale, causal, p)
