"""Broadcasting and its transpose.

Tangent:    ẏ = ẋ, repeated along every dimension that x lacks or has with size 1     (1)
Adjoint:    x̄ = Σ ȳ over just those dimensions                                        (2)
"""

import torch
from torch import Tensor


def unbroadcast(grad: Tensor, shape: torch.Size) -> Tensor:
    """(2), the transpose of (1): the gradient of a tensor of the given shape that was broadcast to grad's."""
    if grad.shape == shape:
        return grad
    lead = grad.dim() - len(shape)
    stretched = [i for i in range(grad.dim()) if i < lead or (shape[i - lead] == 1 and grad.shape[i] != 1)]
    return grad.sum(stretched, keepdim=True).reshape(shape)
