"""Layer normalisation: every row is shifted to mean 0 and scaled to variance 1, then to a learned scale and shift.

Shapes:     x (…, *S) with D numbers in S   μ, r (…, 1) for each row   x̂, y (…, *S)   w, b (*S,) or None
            μ = mean x,   r = 1 / √(mean (x − μ)² + ε),   x̂ = (x − μ) r                        (1)
            y = w x̂ + b                                                                        (2)
Tangent:    x̂˙ = r (ẋ − mean ẋ − x̂ mean(x̂ ẋ)),   ṙ = −r² mean(x̂ ẋ),   ẏ = ẇ x̂ + w x̂˙ + ḃ        (3)
Adjoint:    g = w ȳ                               what arrives at x̂                             (4)
            x̄ = r (g − mean g − x̂ mean(x̂ g))      the map from ẋ to x̂˙ is symmetric              (5)
            w̄ = Σ ȳ x̂ over rows   (6)      b̄ = Σ ȳ over rows                                   (7)
Saved:      x, μ, r, w.   Recomputed: x̂.
Second order: μ and r are outputs that the caller drops. A second derivative passes through (5) and (6) to them,
            and from there by  x̄ += (μ̄ − r̄ r² x̂) / D.                                          (8)
Fast form:  a few rows at a time, so that every pass but the first finds them in the cache. With n = x − μ the sums in
            (5) to (7) are products with a vector, which the processor computes fastest, and neither g nor x̂ is made:
            D mean g = ȳ · w,  D mean(x̂ g) = r (ȳ n) · w,  w̄ = (ȳ n)ᵀ r,  b̄ = ȳᵀ 1,                (9)
            x̄ = r (w ȳ − (ȳ · w) / D − n r² ((ȳ n) · w) / D)                                       (10)
Kinks:      none. A row of equal numbers has x̂ = 0 and r = 1/√ε.
Errors:     RuntimeError where x does not end in S, where w or b is not of shape S, or neither of x's type nor of
            float32 while x is narrower; NotImplementedError for integers.
Reference:  torch.nn.functional.layer_norm. Differs: nothing.
Source:     Ba, Kiros and Hinton, Layer normalization (2016).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from scratch.ops.core.dtype import NARROW, autocast_wide, need_floating, widen
from scratch.ops.core.function import Function, in_place

BLOCK = 2**16  # numbers at a time: 256 KiB of float32, for each thread


class LayerNormFn(Function):
    """Rows x (N, D), w (D,), b (D,) -> y, μ, r."""

    @staticmethod
    def forward(x, weight, bias, eps):
        return (normalize_in_blocks if in_place(x) and x.numel() else normalize)(x, weight, bias, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, _ = inputs
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.save_for_backward(x, weight, *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_mean, grad_r):
        x, weight, mean, r = ctx.saved_tensors
        grad = torch.zeros_like(x) if grad is None else grad
        if in_place(grad) and grad_mean is None and grad_r is None and x.numel():
            grads = adjoint_in_blocks(grad, x, weight, mean, r)
        else:
            grads = adjoint(grad, grad_mean, grad_r, x, weight, mean, r)
        dtypes = x.dtype, None if weight is None else weight.dtype, ctx.bias_dtype
        found = zip(grads, ctx.needs_input_grad[:3], dtypes, strict=True)
        return *(g.to(dtype) if need else None for g, need, dtype in found), None


def normalize(x, weight, bias, eps):
    wide = widen(x)
    mean = wide.mean(-1, keepdim=True)
    normal = wide - mean
    r = (normal * normal).mean(-1, keepdim=True).add(eps).rsqrt()
    y = normal * r  # (1)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias).to(x.dtype), mean, r  # (2)


def adjoint(grad, grad_mean, grad_r, x, weight, mean, r):
    grad, normal = widen(grad), (widen(x) - mean) * r
    g = grad if weight is None else grad * weight  # (4)
    grad_x = (g - g.mean(-1, keepdim=True) - normal * (g * normal).mean(-1, keepdim=True)) * r  # (5)
    if grad_mean is not None:
        grad_x = grad_x + grad_mean / x.shape[-1]
    if grad_r is not None:
        grad_x = grad_x - normal * (grad_r * r * r / x.shape[-1])  # (8)
    return grad_x, (grad * normal).sum(0), grad.sum(0)  # (6), (7)


def blocks(*matrices: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """A few rows of each at a time, then of the next."""
    step = max(1, BLOCK * torch.get_num_threads() // max(matrices[0].shape[1], 1))
    return zip(*(matrix.split(step) for matrix in matrices), strict=True)


def normalize_in_blocks(x, weight, bias, eps):
    y, wide = torch.empty_like(x, memory_format=torch.contiguous_format), widen(x[:0])
    mean, r = wide.new_empty(x.shape[0], 1), wide.new_empty(x.shape[0], 1)
    epsilon, memory = wide.new_tensor(eps), None
    for x_, y_, mean_, r_ in blocks(x, y, mean, r):
        memory = room(memory, x_)
        normal = torch.sub(widen(x_), torch.mean(widen(x_), -1, keepdim=True, out=mean_), out=memory)
        torch.linalg.vector_norm(normal, dim=-1, keepdim=True, out=r_)
        normal.mul_(torch.addcmul(epsilon, r_, r_, value=1 / x.shape[1], out=r_).rsqrt_())  # (1)
        out = y_ if y.dtype is normal.dtype else normal
        if weight is None or bias is None:
            torch.mul(normal, 1 if weight is None else weight, out=out).add_(0 if bias is None else bias)
        else:
            torch.addcmul(bias, normal, weight, out=out)  # (2)
        if out is normal:
            y_.copy_(normal)
    return y, mean, r


def adjoint_in_blocks(grad, x, weight, mean, r):
    D = x.shape[1]
    grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    w = mean.new_ones(D) if weight is None else weight.to(mean.dtype)
    grad_weight, grad_bias = mean.new_zeros(D), mean.new_zeros(D)
    w_mean, square, ones = w / -D, r * r, torch.ones_like(r[:, 0])
    memory = memory_product = None
    for grad_, x_, out, mean_, r_, square_, ones_ in blocks(grad, x, grad_x, mean, r, square, ones):
        memory, memory_product, grad_ = room(memory, x_), room(memory_product, x_), widen(grad_)
        normal = torch.sub(widen(x_), mean_, out=memory)
        product = torch.mul(grad_, normal, out=memory_product)
        grad_weight.addmv_(product.t(), r_[:, 0])  # (9)
        grad_bias.addmv_(grad_.t(), ones_)
        level, along = grad_.mv(w_mean)[:, None], product.mv(w_mean)[:, None].mul_(square_)
        rest = normal.mul_(along).add_(level).addcmul_(grad_, w)
        if out.dtype is rest.dtype:
            torch.mul(rest, r_, out=out)  # (10)
        else:
            out.copy_(rest.mul_(r_))
    return grad_x, grad_weight, grad_bias


def room(memory: Tensor | None, x: Tensor) -> Tensor:
    """Room for one block, used again and again: what is allocated anew costs more than what is computed."""
    return widen(x[:0]).new_empty(x.shape) if memory is None else memory[: x.shape[0]]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """w (x − μ) r + b over the last dimensions, which are normalized_shape. See the module's page."""
    need_floating(input.dtype, "layer_norm")
    input, weight, bias = autocast_wide(input, weight, bias, cpu=False)
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None or parameter.dtype is input.dtype:
            continue
        if parameter.dtype is not torch.float32 or input.dtype not in NARROW:
            raise RuntimeError(f"{name} is {parameter.dtype}, but the input {input.dtype}")
    x, weight, bias = rows_of(input, normalized_shape, weight, bias)
    return LayerNormFn.apply(x, weight, bias, eps)[0].view(input.shape)


def rows_of(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None = None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Check that x ends in ``shape`` and that weight and bias have it; then x as (N, D), the others as (D,)."""
    shape = tuple(shape)
    if not shape:
        raise RuntimeError("normalized_shape needs at least one dimension")
    if tuple(x.shape[-len(shape) :]) != shape:
        raise RuntimeError(f"the input must end in {shape}, but has the shape {tuple(x.shape)}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(f"{name} must have the shape {shape}, but has {tuple(parameter.shape)}")
    size = torch.Size(shape).numel()
    weight, bias = (None if parameter is None else parameter.reshape(-1) for parameter in (weight, bias))
    return x.reshape(math.prod(x.shape[: -len(shape)]), size), weight, bias
