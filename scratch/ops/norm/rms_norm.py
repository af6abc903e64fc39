"""Root mean square normalisation: every row is scaled to mean square 1, then by a learned scale.

Shapes:     x (…, *S) with D numbers in S   r (…, 1) for each row   y (…, *S)   w (*S,) or None
            r = 1 / √(mean x² + ε),   y = w x r                                                 (1)
Tangent:    ṙ = −r³ mean(x ẋ),   ẏ = ẇ x r + w ẋ r + w x ṙ                                       (2)
Adjoint:    g = w ȳ,  x̄ = r g − r³ x mean(x g)                                                  (3)
            w̄ = Σ ȳ x r over rows                                                               (4)
Saved:      x, r, w.   Recomputed: nothing.
Second order: r is an output that the caller drops; what arrives there gives  x̄ −= r̄ r³ x / D.    (5)
Kinks:      none. A row of zeros stays one.
Options:    ε is by default the spacing of numbers at 1 in the type that is computed in.
Errors:     RuntimeError where x does not end in S or w is not of shape S; ValueError where x has fewer
            dimensions than S; NotImplementedError for integers.
Reference:  torch.nn.functional.rms_norm. Differs: it does not warn where the types of x and w differ.
Source:     Zhang and Sennrich, Root mean square layer normalization (2019).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.function import Function
from scratch.ops.norm.layer_norm import rows_of


class RMSNormFn(Function):
    """Rows x (N, D), w (D,) -> y, r."""

    @staticmethod
    def forward(x, weight, eps):
        wide = widen(x)
        r = (wide * wide).mean(-1, keepdim=True).add_(eps).rsqrt_()
        y = wide * r
        return (y if weight is None else y.mul_(weight)).to(x.dtype), r  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight, output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_r):
        x, weight, r = ctx.saved_tensors
        dtype, x = x.dtype, widen(x)
        needs_x, needs_weight, _ = ctx.needs_input_grad
        grad_x = grad_weight = None
        along = 0 if grad_r is None else grad_r / x.shape[-1]  # (5)
        if grad is not None:
            grad = widen(grad)
            if needs_weight:
                grad_weight = (grad * x * r).sum(0).to(weight.dtype)  # (4)
            g = grad if weight is None else grad * weight
            along = along + (g * x).mean(-1, keepdim=True)
            grad_x = g * r
        if needs_x:
            through_r = x * (along * r * r * r)
            grad_x = (-through_r if grad_x is None else grad_x - through_r).to(dtype)  # (3)
        return grad_x if needs_x else None, grad_weight, None


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """w x r over the last dimensions, which are normalized_shape. See the module's page."""
    need_floating(input.dtype, "rms_norm", or_complex=True)
    input, weight = autocast_wide(input, weight, cpu=False)
    if input.dim() < len(normalized_shape):
        raise ValueError(f"the input needs {len(normalized_shape)} dimensions, but has {input.dim()}")
    x, weight, _ = rows_of(input, normalized_shape, weight)
    if eps is None:
        eps = torch.finfo(widen(x[:0]).dtype).eps
    return RMSNormFn.apply(x, weight, eps)[0].view(input.shape)
