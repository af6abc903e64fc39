"""Norms, distances and the cosine of an angle.

Shapes:     x, a, b, s (…, D) with Σ over D   n, d, c (…, 1) or (…)

norm        n = (Σ |x|^p)^(1/p),  max |x| for p = ∞,  min |x| for p = −∞,  the count of non-zeros for p = 0   (1)
            ṅ = Σ s ẋ,   s = sign(x) |x|^(p−1) / n^(p−1),  0 where n is 0                           (2)
            p = ±∞: s = sign(x) / (number of those) at the maxima, or minima;   p = 0: s = 0
            x̄ = n̄ s

distance    d = ‖a − b + ε‖ₚ                                                                       (3)
Tangent:    ḋ = Σ s (ȧ − ḃ),   s that of a − b + ε                                                  (4)
Adjoint:    ā = d̄ s,  b̄ = −ā                                                                       (5)

normalize   y = x / n,   n = max(‖x‖ₚ, ε)                                                           (6)
Tangent:    ẏ = (ẋ − y ṅ) / n,   ṅ = Σ s ẋ where ‖x‖ ≥ ε, else 0                                    (7)
Adjoint:    x̄ = (ȳ − s Σ ȳ y) / n,  where ‖x‖ ≥ ε, else ȳ / n                                       (8)

cosine      c = Σ a b / (m n),   m = max(‖a‖, ε),  n = max(‖b‖, ε)                                  (9)
            ∂c/∂a = (b / n − c a / ‖a‖) / m,  ∂c/∂b likewise; where ‖a‖ is 0 the second term is 0     (10)
Tangent:    ċ = Σ (∂c/∂a ȧ + ∂c/∂b ḃ)                                                               (11)
Adjoint:    ā = c̄ ∂c/∂a,  b̄ = c̄ ∂c/∂b                                                              (12)

Complex:    the norm of complex numbers is real, ṅ = Re Σ s ẋ with the conjugate of x / |x| for sign(x), and the sum in
            (8) is its real part.
Saved:      the inputs.   Recomputed: norms and s.
Kinks:      the norm of 0 has slope 0, as in PyTorch, and this slope again; for 1 < p < 2 the slope has itself an
            infinite one where a number is 0, which counts as 0; the second term of (10) stays in (12)
            where ε is the larger, but not in (11), as in PyTorch.
Errors:     see scratch/nn/functional/distance.py.
Reference:  torch.nn.functional.pairwise_distance, normalize, cosine_similarity, pdist. Differs: with p = 0
            the gradient is zeros, PyTorch has none; with p = ∞ the maxima share it in pdist, too, where PyTorch gives
            all of it to each. A NaN counts as one for p = 0, and makes NaN of pdist, as in PyTorch.
Source:     Minkowski, Geometrie der Zahlen (1896).
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.function import Function


def norm(x: Tensor, p: float) -> Tensor:
    """(1), along the last dimension, which it keeps."""
    return torch.linalg.vector_norm(x, p, -1, keepdim=True)


def norm_slope(x: Tensor, n: Tensor, p: float) -> Tensor:
    """(2), where n is the norm of x, or what stands for it."""
    x, nothing = x.conj(), n == 0
    if p == 2:
        return x / n.masked_fill(nothing, math.inf)  # 0, and so is its own derivative
    if p == 1:
        return x.sgn()
    if p == 0:
        return torch.zeros_like(x)
    if math.isinf(p):
        extreme = x.abs() == n
        return x.sgn() * extreme / extreme.sum(-1, keepdim=True).clamp_min(1)
    power = (x.abs() / n.masked_fill(nothing, 1)).masked_fill(x == 0, 1) ** (p - 1)
    return (power * x.sgn()).masked_fill(nothing, 0)


class DistanceFn(Function):
    outputs = ("d",)

    @staticmethod
    def result_dtype(a, b, *_):
        return torch.promote_types(a.dtype, b.dtype)

    @staticmethod
    def value(a, b, p, eps, keepdim):
        d = norm(a - b + eps, p)  # (3)
        return d if keepdim else d.squeeze(-1)

    @staticmethod
    def tangent(a_dot, b_dot, a, b, p, eps, keepdim):
        s = distance_slope(a, b, p, eps)
        return (s * (a_dot - b_dot)).sum(-1, keepdim=keepdim).real  # (4)

    @staticmethod
    def adjoint(d_bar, a, b, p, eps, keepdim):
        a_bar = (d_bar if keepdim else d_bar.unsqueeze(-1)) * distance_slope(a, b, p, eps)  # (5)
        return a_bar, -a_bar


def distance_slope(a: Tensor, b: Tensor, p: float, eps: float) -> Tensor:
    """s of (4)"""
    x = a - b + eps
    return norm_slope(x, safe_norm(x, p), p)


def safe_norm(x: Tensor, p: float) -> Tensor:
    """The norm along the last dimension, by elementary functions, so that its second derivative is theirs; a norm of 0
    is a constant."""
    if p == 0 or x.shape[-1] == 0:
        return norm(x.detach(), p)
    if p == 1:
        return x.abs().sum(-1, keepdim=True)
    if math.isinf(p):
        extreme = x.detach().abs() == norm(x.detach(), p)
        return torch.where(extreme, x.abs(), 0).sum(-1, keepdim=True) / extreme.sum(-1, keepdim=True)
    size = x.abs().amax(-1, keepdim=True).detach()
    size = size.masked_fill((size == 0) | size.isinf(), 1)
    ratio, of_zero = (x / size).abs(), 0 if p > 0 else math.inf
    zero = ratio == 0
    inside = ratio.masked_fill(zero, 1).pow(p).masked_fill(zero, of_zero).sum(-1, keepdim=True)
    nothing = inside == of_zero
    return (inside.masked_fill(nothing, 1) ** (1 / p) * size).masked_fill(nothing, 0)


class NormalizeFn(Function):
    @staticmethod
    def value(x, p, eps):
        return x / norm(x, p).clamp_min(eps)  # (6)

    @staticmethod
    def tangent(x_dot, x, p, eps):
        size = safe_norm(x, p)
        n = size.clamp_min(eps)
        n_dot = (norm_slope(x, size, p) * x_dot).sum(-1, keepdim=True).real.masked_fill(size < eps, 0)
        return (x_dot - x / n * n_dot) / n  # (7)

    @staticmethod
    def adjoint(y_bar, x, p, eps):
        size = safe_norm(x, p)
        n = size.clamp_min(eps)
        along = ((y_bar * x).sum(-1, keepdim=True).real / n).masked_fill(size < eps, 0)
        return (y_bar - norm_slope(x, size, p) * along) / n  # (8)


class CosineFn(Function):
    """a and b of one shape -> c."""

    outputs = ("c",)

    @staticmethod
    def result_dtype(a, b, eps):
        return torch.promote_types(a.dtype, b.dtype)

    @staticmethod
    def value(a, b, eps):
        return ((a / norm(a, 2).clamp_min(eps)) * (b / norm(b, 2).clamp_min(eps))).sum(-1)  # (9)

    @staticmethod
    def tangent(a_dot, b_dot, a, b, eps):
        along_a, along_b = cosine_slopes(a, b, eps, beyond=False)
        return (along_a * a_dot + along_b * b_dot).sum(-1)  # (11)

    @staticmethod
    def adjoint(c_bar, a, b, eps):
        along_a, along_b = cosine_slopes(a, b, eps, beyond=True)
        return c_bar.unsqueeze(-1) * along_a, c_bar.unsqueeze(-1) * along_b  # (12)


def cosine_slopes(a: Tensor, b: Tensor, eps: float, beyond: bool) -> tuple[Tensor, Tensor]:
    """∂c/∂a and ∂c/∂b; their second terms also ``beyond`` the kink, where ε is the larger."""
    (unit_a, m), (unit_b, n) = unit_and_size(a, eps), unit_and_size(b, eps)
    c = (unit_a * unit_b).sum(-1, keepdim=True)
    slopes = [norm_slope(x, safe_norm(x, 2), 2) for x in (a, b)]
    if not beyond:
        slopes = [s.masked_fill(norm(x, 2) < eps, 0) for s, x in zip(slopes, (a, b), strict=True)]
    return (unit_b - c * slopes[0]) / m, (unit_a - c * slopes[1]) / n  # (10)


def unit_and_size(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x / m and m = max(‖x‖, ε)"""
    n = safe_norm(x, 2)
    size = n + (eps - n.detach()).clamp_min(0)  # ε where it is larger, as a constant shift
    return x / size, size


def pairwise_distance(a: Tensor, b: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """(3) over the last dimension."""
    return DistanceFn.apply(a, b, p, eps, keepdim)


def normalize(x: Tensor, p: float, eps: float) -> Tensor:
    """(6) along the last dimension."""
    return NormalizeFn.apply(x, p, eps)


def cosine(a: Tensor, b: Tensor, eps: float) -> Tensor:
    """(9) over the last dimension, of a and b of one shape."""
    return CosineFn.apply(a, b, eps)
