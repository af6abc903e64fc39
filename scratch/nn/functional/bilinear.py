"""torch.nn.functional.bilinear: its signature and what it refuses. The mathematics is in scratch/ops/bilinear.py."""

from torch import Tensor

from scratch.ops.bilinear import bilinear as forms
from scratch.ops.core.dtype import without_autocast
from scratch.ops.linear import rows, unrolled


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x₁ᵀ W x₂ + b for x₁ (…, I) and x₂ (…, J), W (O, I, J)."""
    if input1.shape[:-1] != input2.shape[:-1] or weight.shape[1:] != (*input1.shape[-1:], *input2.shape[-1:]):
        shapes = ", ".join(str(tuple(t.shape)) for t in (input1, input2, weight))
        raise RuntimeError(f"expected (…, I), (…, J) and a weight (O, I, J), but got {shapes}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"expected a bias of shape ({weight.shape[0]},), but got {tuple(bias.shape)}")
    if not input1.dtype == input2.dtype == weight.dtype == (weight if bias is None else bias).dtype:
        raise RuntimeError("the inputs, weight and bias must have one type")
    with without_autocast(input1):  # the result has the inputs' type, as torch's
        y = forms(rows(input1), rows(input2), weight, bias)
    return unrolled(y, input1.shape)
