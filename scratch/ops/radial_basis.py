"""Radial basis functions: bells around centres, each as high as its centre is near.

Shapes:     x (…, I)   c (K, I)   w (K,)   d, φ (…, K)
            d_k = |x − c_k|²                                                            (1)
            φ_k = exp(−d_k / 2w_k²)                                                     (2)
Tangent:    ḋ_k = 2 (x − c_k) · (ẋ − ċ_k),   φ̇_k = φ_k (d_k ẇ_k / w_k³ − ḋ_k / 2w_k²)
Adjoint:    d̄ = −φ φ̄ / 2w²   (3)     w̄ = Σ φ φ̄ d / w³   (4)
            x̄ = 2 (x Σ d̄ − d̄ c), Σ over K   (5)     c̄ = 2 (c Σ d̄ − d̄ᵀ x), Σ over rows   (6)
            the sums of (x − c) d̄ taken apart into products of matrices
Saved:      x, c; d, w, φ.   Recomputed: nothing.
Kinks:      none.
Errors:     RuntimeError where the sizes of x, c and w do not go together.
Reference:  zoo.layers.RadialBasis, since torch.nn has none.
Source:     Broomhead and Lowe, Multivariable functional interpolation and adaptive networks (1988).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function
from scratch.ops.linear import rows


class SquaredDistanceFn(Function):
    """Rows x (N, I), c (K, I) -> d (N, K)."""

    @staticmethod
    def forward(x, centres):
        difference = x[:, None] - centres
        return (difference * difference).sum(-1)  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        x, centres = ctx.saved_tensors
        grad_x = grad_centres = None
        if ctx.needs_input_grad[0]:
            grad_x = 2 * (x * grad.sum(1, keepdim=True) - grad @ centres)  # (5)
        if ctx.needs_input_grad[1]:
            grad_centres = 2 * (centres * grad.sum(0)[:, None] - grad.t() @ x)  # (6)
        return grad_x, grad_centres


class BellFn(Function):
    """d (N, K), w (K,) -> φ (N, K)."""

    @staticmethod
    def forward(d, width):
        return (d * (-0.5 / (width * width))).exp_()  # (2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, grad):
        d, width, phi = ctx.saved_tensors
        along = phi * grad
        grad_d = along * (-0.5 / (width * width)) if ctx.needs_input_grad[0] else None  # (3)
        grad_width = (along * d).sum(0) / width**3 if ctx.needs_input_grad[1] else None  # (4)
        return grad_d, grad_width


def radial_basis(input: Tensor, centres: Tensor, width: Tensor) -> Tensor:
    """exp(−|x − c|² / 2w²) for every centre: (…, I) to (…, K). See the module's page."""
    if centres.dim() != 2 or input.shape[-1:] != centres.shape[1:] or width.shape != centres.shape[:1]:
        shapes = f"{list(input.shape)}, {list(centres.shape)} and {list(width.shape)}"
        raise RuntimeError(f"x (…, I), centres (K, I) and width (K,) go together, but got {shapes}")
    dtype = torch.promote_types(input.dtype, centres.dtype)
    x, c, w = (widen(t.to(dtype)) for t in (rows(input), centres, width))
    phi = BellFn.apply(SquaredDistanceFn.apply(x, c), w)
    return phi.to(dtype).view(*input.shape[:-1], len(centres))
