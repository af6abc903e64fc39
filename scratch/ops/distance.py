"""Norms, distances and the cosine of an angle.

Shapes:     x, a, b (…, D, …) with Σ over D, the last dimension or the one named;   n, d, c (…)

norm        n = (Σ |x|^p)^(1/p),  max |x| for p = ∞,  min |x| for p = −∞,  the count of non-zeros for p = 0   (1)
            ṅ = Σ s ẋ,   s = sign(x) |x|^(p−1) / n^(p−1),  0 where n is 0                           (2)
            p = ±∞: s = sign(x) / (number of those) at the maxima, or minima;   p = 0: s = 0
            x̄ = n̄ s                                                                               (3)
distance    d = ‖a − b + ε‖ₚ                     ā = d̄ s(a − b + ε),  b̄ = −ā                        (4)
normalize   y = x / max(‖x‖ₚ, ε)                                                                   (5)
            x̄ = (ȳ − s Σ ȳ y) / n where n > ε, else ȳ / ε                                          (6)
cosine      c = Σ a b / (m n),   m = max(‖a‖, ε),  n = max(‖b‖, ε)                                  (7)
            ā = c̄ (b / n − c a / ‖a‖) / m,   b̄ likewise; where ‖a‖ is 0 the second term is 0          (8)

Complex:    the norm of complex numbers is real, ṅ = Re Σ s ẋ with the conjugate of x / |x| for sign(x), and the sum in
            (6) is its real part.
Saved:      the inputs.   Recomputed: norms and s.
Kinks:      the norm of 0 has slope 0, as in PyTorch, and this slope again; for 1 < p < 2 the slope has itself an
            infinite one where a number is 0, which counts as 0; in (8) the second term stays where ε is the larger.
Errors:     IndexError for a dimension out of range; RuntimeError where shapes do not broadcast, and in pdist for other
            than a matrix or p < 0.
Reference:  torch.nn.functional.pairwise_distance, normalize, cosine_similarity, pdist. Differs: with p = 0
            the gradient is zeros, PyTorch has none; with p = ∞ the maxima share it in pdist, too, where PyTorch gives
            all of it to each. A NaN counts as one for p = 0, and makes NaN of pdist, as in PyTorch.
Source:     Minkowski, Geometrie der Zahlen (1896).
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.dtype import autocast_wide, in_one_type, narrowed, widen
from scratch.ops.core.function import Function


def norm(x: Tensor, p: float, dim: int) -> Tensor:
    """(1), keeping the dimension."""
    return torch.linalg.vector_norm(x, p, dim, keepdim=True)


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
    @staticmethod
    def forward(a, b, p, eps, keepdim):
        d = norm(widen(a) - widen(b) + eps, p, -1)
        return narrowed(d if keepdim else d.squeeze(-1), a, b)

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b, *ctx.options = inputs
        ctx.save_for_backward(a, b)

    @staticmethod
    def backward(ctx, grad):
        (a, b), (p, eps, keepdim) = ctx.saved_tensors, ctx.options
        x = widen(a) - widen(b) + eps
        slope = norm_slope(x, safe_norm(x, p), p) * widen(grad if keepdim else grad.unsqueeze(-1))
        grad_a = unbroadcast(slope, a.shape).to(a.dtype) if ctx.needs_input_grad[0] else None  # (4)
        grad_b = unbroadcast(-slope, b.shape).to(b.dtype) if ctx.needs_input_grad[1] else None
        return grad_a, grad_b, None, None, None


def safe_norm(x: Tensor, p: float) -> Tensor:
    """The norm along the last dimension, by elementary functions, so that its second derivative is theirs; a norm of 0
    is a constant."""
    if p == 0 or x.shape[-1] == 0:
        return norm(x.detach(), p, -1)
    if p == 1:
        return x.abs().sum(-1, keepdim=True)
    if math.isinf(p):
        extreme = x.detach().abs() == norm(x.detach(), p, -1)
        return torch.where(extreme, x.abs(), 0).sum(-1, keepdim=True) / extreme.sum(-1, keepdim=True)
    size = x.abs().amax(-1, keepdim=True).detach()
    size = size.masked_fill((size == 0) | size.isinf(), 1)
    ratio, of_zero = (x / size).abs(), 0 if p > 0 else math.inf
    zero = ratio == 0
    inside = ratio.masked_fill(zero, 1).pow(p).masked_fill(zero, of_zero).sum(-1, keepdim=True)
    nothing = inside == of_zero
    return (inside.masked_fill(nothing, 1) ** (1 / p) * size).masked_fill(nothing, 0)


class NormalizeFn(Function):
    """Along the last dimension."""

    @staticmethod
    def forward(x, p, eps):
        wide = widen(x)
        return (wide / norm(wide, p, -1).clamp_min_(eps)).to(x.dtype)  # (5)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *ctx.options = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (saved,), (p, eps) = ctx.saved_tensors, ctx.options
        x, grad = widen(saved), widen(grad)
        n = safe_norm(x, p)
        large = n.clamp_min(eps)
        along = (grad * x).sum(-1, keepdim=True).real / large
        through_norm = norm_slope(x, n, p) * along.masked_fill(n < eps, 0)
        return ((grad - through_norm) / large).to(saved.dtype), None, None  # (6)


class CosineFn(Function):
    """Along the last dimension, of a and b of one shape."""

    @staticmethod
    def forward(a, b, eps):
        wide_a, wide_b = widen(a), widen(b)
        c = ((wide_a / norm(wide_a, 2, -1).clamp_min_(eps)) * (wide_b / norm(wide_b, 2, -1).clamp_min_(eps))).sum(-1)
        return narrowed(c, a, b)  # (7)

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b, ctx.eps = inputs
        ctx.save_for_backward(a, b)

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        grad = widen(grad).unsqueeze(-1)
        unit, size = zip(*(unit_and_size(widen(x), ctx.eps) for x in (a, b)), strict=True)
        c = (unit[0] * unit[1]).sum(-1, keepdim=True)
        grads: list[Tensor | None] = [None, None]
        for i, x in enumerate((a, b)):
            if ctx.needs_input_grad[i]:
                slope = norm_slope(widen(x), safe_norm(widen(x), 2), 2)
                grads[i] = (grad * (unit[1 - i] - c * slope) / size[i]).to(x.dtype)  # (8)
        return *grads, None


def unit_and_size(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    n = safe_norm(x, 2)
    size = n + (eps - n.detach()).clamp_min(0)  # ε where it is larger, as a constant shift
    return x / size, size


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 − x2 + eps over the last dimension."""
    return DistanceFn.apply(x1, x2, p, eps, keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x divided by its p-norm along ``dim``, or by eps where that is smaller."""
    output = NormalizeFn.apply(last(input, dim), p, eps).movedim(-1, dim)
    if input.dim() == 0:
        output = output.squeeze(0)
    return output if out is None else out.copy_(output)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along ``dim``."""
    x1, x2 = autocast_wide(x1, x2, cpu=False)
    dtype = torch.promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f"cosine_similarity is not defined for {dtype}")
    a, b = torch.broadcast_tensors(*in_one_type(x1, x2))
    return CosineFn.apply(last(a, dim), last(b, dim), eps)


def last(x: Tensor, dim: int) -> Tensor:
    """x with this dimension last; a number alone is a row of one."""
    return x.movedim(dim, -1).reshape(1) if x.dim() == 0 else x.movedim(dim, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances between all rows i < j of a matrix, one after the other."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist takes a matrix, but got {input.dim()} dimensions")
    if p < 0:
        raise RuntimeError(f"p must be at least 0, but is {p}")
    (input,) = autocast_wide(input, cpu=False)
    if not input.is_floating_point():
        raise RuntimeError(f"pdist is not defined for {input.dtype}")
    first, second = torch.triu_indices(len(input), len(input), 1, device=input.device)
    a, b = input.index_select(0, first), input.index_select(0, second)
    if input.shape[1] == 0:
        return (a - b).sum(1)
    d = DistanceFn.apply(a, b, p, 0.0, False)
    return d.masked_fill((a - b).isnan().any(1), math.nan) if p == 0 else d
