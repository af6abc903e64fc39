"""Radial basis functions: bells around centres, each as high as its centre is near.

Shapes:     x (N, I)   c (K, I)   w (K,)   d, φ (N, K)
Value:      d_k = |x − c_k|²   (1)     φ_k = exp(−d_k / 2w_k²)   (2)
Tangent:    ḋ_k = 2 (x − c_k) · (ẋ − ċ_k)   (3)     φ̇_k = φ_k (d_k ẇ_k / w_k³ − ḋ_k / 2w_k²)   (4)
Adjoint:    d̄ = −φ φ̄ / 2w²   (5)     w̄ = Σ φ φ̄ d / w³   (6)
            x̄ = 2 (x Σ d̄ − d̄ c), Σ over K   (7)     c̄ = 2 (c Σ d̄ − d̄ᵀ x), Σ over rows   (8)
            the sums of (x − c) d̄ taken apart into products of matrices
Saved:      x, c; d, w, φ.   Recomputed: nothing.
Kinks:      none.
Errors:     see scratch/nn/functional/radial_basis.py.
Reference:  zoo.layers.RadialBasis, since torch.nn has none.
Source:     Broomhead and Lowe, Multivariable functional interpolation and adaptive networks (1988).
"""

from torch import Tensor

from scratch.ops.core.function import Function


class SquaredDistanceFn(Function):
    outputs = ("d",)

    @staticmethod
    def value(x, c):
        difference = x[:, None] - c
        return (difference * difference).sum(-1)  # (1)

    @staticmethod
    def tangent(x_dot, c_dot, x, c):
        difference_dot = x_dot[:, None] - c_dot
        return 2 * ((x[:, None] - c) * difference_dot).sum(-1)  # (3)

    @staticmethod
    def adjoint(d_bar, x, c):
        x_bar = 2 * (x * d_bar.sum(1, keepdim=True) - d_bar @ c)  # (7)
        c_bar = 2 * (c * d_bar.sum(0)[:, None] - d_bar.mT @ x)  # (8)
        return x_bar, c_bar


class BellFn(Function):
    outputs = ("phi",)

    @staticmethod
    def value(d, w):
        return (d * (-0.5 / (w * w))).exp()  # (2)

    @staticmethod
    def tangent(d_dot, w_dot, d, w, phi):
        return phi * (d * w_dot / w**3 - 0.5 * d_dot / (w * w))  # (4)

    @staticmethod
    def adjoint(phi_bar, d, w, phi):
        d_bar = phi * phi_bar * (-0.5 / (w * w))  # (5)
        w_bar = (phi * phi_bar * d).sum(0) / w**3  # (6)
        return d_bar, w_bar


def radial_basis(x: Tensor, c: Tensor, w: Tensor) -> Tensor:
    """φ (N, K) of rows x (N, I) and centres c (K, I) of width w (K,). See the module's page."""
    return BellFn.apply(SquaredDistanceFn.apply(x, c), w)
