"""Layer normalisation: every row is shifted to mean 0 and scaled to variance 1, then to a learned scale and shift.

Shapes:     x (…, *S) with D numbers in S   μ, r (…, 1) for each row   x̂, y (…, *S)   w, b (*S,) or None
            μ = mean x,   r = 1 / √(mean (x − μ)² + ε),   x̂ = (x − μ) r                        (1)
            y = w x̂ + b                                                                        (2)
Tangent:    x̂˙ = r (ẋ − mean ẋ − x̂ mean(x̂ ẋ)),   ṙ = −r² mean(x̂ ẋ),   ẏ = ẇ x̂ + w x̂˙ + ḃ        (3)
Adjoint:    g = w ȳ                               what arrives at x̂                             (4)
            x̄ = r (g − mean g − x̂ mean(x̂ g))      the map from ẋ to x̂˙ is symmetric              (5)
            w̄ = Σ ȳ x̂ over rows   (6)      b̄ = Σ ȳ over rows                                   (7)
Saved:      x̂, r, w.   Recomputed: nothing.
Second order: x̂ and r are outputs that the caller drops. A second derivative passes through (5) and (6) to them:
            what arrives at x̂ adds to g, and  x̄ −= r̄ r² x̂ / D.                                  (8)
Kinks:      none. A row of equal numbers has x̂ = 0 and r = 1/√ε.
Errors:     RuntimeError where x does not end in S, where w or b is not of shape S, or neither of x's type nor of
            float32 while x is narrower; NotImplementedError for integers.
Reference:  torch.nn.functional.layer_norm. Differs: nothing.
Source:     Ba, Kiros and Hinton, Layer normalization (2016).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.dtype import NARROW, need_floating, widen
from scratch.ops.function import Function


class LayerNormFn(Function):
    """Rows x (N, D), w (D,), b (D,) -> y, x̂, r."""

    @staticmethod
    def forward(x, weight, bias, eps):
        wide = widen(x)
        normal = wide - wide.mean(-1, keepdim=True)
        r = (normal * normal).mean(-1, keepdim=True).add_(eps).rsqrt_()
        normal = normal.mul_(r)  # (1)
        return scaled(normal, weight, bias).to(x.dtype), normal, r

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, _ = inputs
        ctx.dtypes = [None if t is None else t.dtype for t in (x, weight, bias)]
        ctx.save_for_backward(weight, *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_normal, grad_r):
        weight, normal, r = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        g, grad_weight, grad_bias = grad_normal, None, None
        if grad is not None:
            grad = widen(grad)
            grad_weight = (grad * normal).sum(0) if needs_weight else None  # (6)
            grad_bias = grad.sum(0) if needs_bias else None  # (7)
            through_y = grad if weight is None else grad * weight  # (4)
            g = through_y if g is None else g + through_y
        grad_x = None
        if needs_x and g is not None:
            along = (g * normal).mean(-1, keepdim=True)
            grad_x = (g - g.mean(-1, keepdim=True) - normal * along) * r  # (5)
        if needs_x and grad_r is not None:
            through_r = normal * (grad_r * r * r / -normal.shape[-1])  # (8)
            grad_x = through_r if grad_x is None else grad_x + through_r
        grads = (grad_x, grad_weight, grad_bias)
        return *(t if t is None else t.to(dtype) for t, dtype in zip(grads, ctx.dtypes, strict=True)), None


def scaled(normal: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """(2), in new memory."""
    if weight is None:
        return normal.clone() if bias is None else normal + bias
    return normal * weight if bias is None else torch.addcmul(bias, normal, weight)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """w (x − μ) r + b over the last dimensions, which are normalized_shape. See the module's page."""
    need_floating(input.dtype, "layer_norm")
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
    return x.reshape(x.shape[: -len(shape)].numel(), size), weight, bias
