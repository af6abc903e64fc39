"""Dropout: y = x m, where each mᵢ is 0 with probability p, else 1 / (1 − p), so that y is x on average.

Shapes:     x (…)   m (…)   y (…)
Tangent:    ẏ = ẋ m                                                      (1)
Adjoint:    x̄ = ȳ m                                                      (2)
Saved:      m.   Recomputed: nothing.
Kinks:      none.
Random:     one Bernoulli number for each of x, drawn as torch's dropout draws it on the CPU: equal values
            under an equal seed. With p = 0 or outside training y is x itself; then, and with p = 1, nothing
            is drawn.
Errors:     ValueError where p is outside [0, 1].
Reference:  torch.nn.functional.dropout. Differs: nothing on the CPU; on a GPU torch fuses mask and product in
            a kernel with its own random stream.
Source:     Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout (2014).
"""

import torch
from torch import Tensor

from scratch.ops.elementwise import inplace_on
from scratch.ops.function import Function


class DropoutFn(Function):
    @staticmethod
    def forward(x, mask):
        return x * mask

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad * mask, None  # (2)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x m with a fresh random mask m. See the module's page."""
    if p < 0 or p > 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but is {p}")
    if p == 0 or not training or input.numel() == 0:
        return input
    mask = input.new_zeros(()) if p == 1 else torch.empty_like(input).bernoulli_(1 - p).div_(1 - p)
    output = DropoutFn.apply(input, mask)
    return inplace_on(input, output) if inplace else output
