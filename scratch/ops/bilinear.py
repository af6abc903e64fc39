"""Bilinear: y = x₁ᵀ W x₂ + b, one matrix W[o] for each output.

Shapes:     x₁ (…, I)   x₂ (…, J)   W (O, I, J)   b (O,) or None   y (…, O)
Formula:    y[o] = Σ_ij x₁[i] W[o, i, j] x₂[j] + b[o]                                                  (1)
Tangent:    ẏ[o] = Σ_ij (ẋ₁[i] W[o, i, j] x₂[j] + x₁[i] Ẇ[o, i, j] x₂[j] + x₁[i] W[o, i, j] ẋ₂[j]) + ḃ[o]
Adjoint:    ⟨ȳ, y⟩ is linear in each of its factors, and each gradient leaves out one of them. With
            T[o, i] = Σ_j W[o, i, j] x₂[j]  and  P[o, i] = ȳ[o] x₁[i]
            x̄₁[i] = Σ_o ȳ[o] T[o, i]    (2)         x̄₂[j] = Σ_oi P[o, i] W[o, i, j]    (3)
            W̄[o, i, j] = Σ P[o, i] x₂[j]    (4)     b̄[o] = Σ ȳ[o]    (5)      (sums over all rows in the latter two)
Saved:      x₁, x₂, W.   Recomputed: T.   Kinks: none.
Errors:     RuntimeError for shapes that do not fit.
Reference:  torch.nn.functional.bilinear. Differs: nothing.
"""

from torch import Tensor

from scratch.ops.core.dtype import without_autocast
from scratch.ops.core.function import Function
from scratch.ops.linear import rows, unrolled


def T(x2: Tensor, weight: Tensor) -> Tensor:
    """(B, O, I)"""
    return (x2 @ weight.flatten(0, 1).mT).view(len(x2), *weight.shape[:2])


class BilinearFn(Function):
    """x₁ (B, I), x₂ (B, J)"""

    @staticmethod
    def forward(x1, x2, weight, bias):
        y = (T(x2, weight) @ x1[..., None]).squeeze(-1)
        return y if bias is None else y + bias  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def backward(ctx, grad):
        x1, x2, weight = ctx.saved_tensors
        needs_x1, needs_x2, needs_weight, needs_bias = ctx.needs_input_grad
        grad_x1 = grad_x2 = grad_weight = None
        if needs_x1:
            grad_x1 = (grad[:, None] @ T(x2, weight)).squeeze(1)  # (2)
        P = (grad[..., None] * x1[:, None]).reshape(len(x1), weight.shape[0] * weight.shape[1])
        if needs_x2:
            grad_x2 = P @ weight.flatten(0, 1)  # (3)
        if needs_weight:
            grad_weight = (P.mT @ x2).view(weight.shape)  # (4)
        return grad_x1, grad_x2, grad_weight, grad.sum(0) if needs_bias else None  # (5)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x₁ᵀ W x₂ + b for x₁ (…, I) and x₂ (…, J). See the module's page."""
    if input1.shape[:-1] != input2.shape[:-1] or weight.shape[1:] != (*input1.shape[-1:], *input2.shape[-1:]):
        shapes = ", ".join(str(tuple(t.shape)) for t in (input1, input2, weight))
        raise RuntimeError(f"expected (…, I), (…, J) and a weight (O, I, J), but got {shapes}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"expected a bias of shape ({weight.shape[0]},), but got {tuple(bias.shape)}")
    if not input1.dtype == input2.dtype == weight.dtype == (weight if bias is None else bias).dtype:
        raise RuntimeError("the inputs, weight and bias must have one type")
    with without_autocast(input1):  # the result has the inputs' type, as torch's
        y = BilinearFn.apply(rows(input1), rows(input2), weight, bias)
    return unrolled(y, input1.shape)
