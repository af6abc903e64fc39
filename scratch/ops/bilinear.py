"""Bilinear: y = aᵀ W b + c, one matrix W[o] for each output.

Shapes:     a (B, I)   b (B, J)   W (O, I, J)   c (O,) or None   y (B, O)   T, P (B, O, I)
Value:      T[o, i] = Σ_j W[o, i, j] b[j]   (1)     y[o] = Σ_i T[o, i] a[i] + c[o]   (2)
Tangent:    ẏ[o] = Σ_ij (ȧ[i] W[o, i, j] b[j] + a[i] Ẇ[o, i, j] b[j] + a[i] W[o, i, j] ḃ[j]) + ċ[o]     (3)
Adjoint:    ⟨ȳ, y⟩ is linear in each of its factors, and each gradient leaves out one of them. With P[o, i] = ȳ[o] a[i]
            ā[i] = Σ_o ȳ[o] T[o, i]    (4)          b̄[j] = Σ_oi P[o, i] W[o, i, j]    (5)
            W̄[o, i, j] = Σ P[o, i] b[j]    (6)      c̄[o] = Σ ȳ[o]    (7)      (sums over all rows in the latter two)
Saved:      a, b, W.   Recomputed: T.
Kinks:      none.
Errors:     see scratch/nn/functional/bilinear.py.
Reference:  torch.nn.functional.bilinear. Differs: nothing.
Source:     Tenenbaum and Freeman, Separating style and content with bilinear models (2000).
"""

from torch import Tensor

from scratch.ops.core.function import Function


class BilinearFn(Function):
    @staticmethod
    def value(a, b, W, c):
        y = form(a, W, b)
        return y if c is None else y + c  # (2)

    @staticmethod
    def tangent(a_dot, b_dot, W_dot, c_dot, a, b, W):
        return form(a_dot, W, b) + form(a, W_dot, b) + form(a, W, b_dot) + c_dot  # (3)

    @staticmethod
    def adjoint(y_bar, a, b, W):
        P = (y_bar[..., None] * a[:, None]).flatten(1)
        a_bar = (y_bar[:, None] @ T(W, b)).squeeze(1)  # (4)
        b_bar = P @ W.flatten(0, 1)  # (5)
        W_bar = (P.mT @ b).view(W.shape)  # (6)
        return a_bar, b_bar, W_bar, y_bar.sum(0)  # (7)


def T(W: Tensor, b: Tensor) -> Tensor:
    """(1)"""
    return (b @ W.flatten(0, 1).mT).view(b.shape[0], *W.shape[:2])


def form(a: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """aᵀ W b"""
    return (T(W, b) @ a[..., None]).squeeze(-1)


def bilinear(a: Tensor, b: Tensor, W: Tensor, c: Tensor | None = None) -> Tensor:
    """aᵀ W b + c for rows a (B, I) and b (B, J). See the module's page."""
    return BilinearFn.apply(a, b, W, c)
