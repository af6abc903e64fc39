"""Positions: attention does not know the order of its rows unless something in the rows tells.

Shapes:     x, y (…, T, D)   p (M, D) with M ≥ o + T, where o is the position of the first row
            y[…, t] = x[…, t] + p[o + t]                                                        (1)
Tangent:    ẏ[…, t] = ẋ[…, t] + ṗ[o + t]
Adjoint:    x̄ = ȳ      p̄[o + t] = Σ ȳ[…, t] over all that is before T, and 0 elsewhere              (2)
Saved:      nothing but sizes.   Kinks: none.

p is learned, or made of sines and cosines of D/2 wavelengths, from 2π to 10000 · 2π:

            p[t, 2i] = sin(t ωᵢ),   p[t, 2i + 1] = cos(t ωᵢ),   ωᵢ = 10000^(−2i / D)             (3)

so that p[t + k] is a rotation of p[t] which depends on k alone.
Errors:     ValueError where there are not enough positions.
Source:     Vaswani et al., Attention is all you need (2017); Gehring et al., Convolutional sequence to sequence
            learning (2017), for learned positions.
"""

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.function import Function


class AddPositionsFn(Function):
    @staticmethod
    def forward(x, table, offset):
        return x + table[offset : offset + x.shape[-2]]  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, table, ctx.offset = inputs
        ctx.shape = table.shape

    @staticmethod
    def backward(ctx, grad):
        grad_table = None
        if ctx.needs_input_grad[1]:
            used = unbroadcast(grad, grad.shape[-2:])
            before, after = ctx.offset, ctx.shape[0] - ctx.offset - used.shape[0]
            grad_table = torch.cat((used.new_zeros(before, ctx.shape[1]), used, used.new_zeros(after, ctx.shape[1])))
        return grad, grad_table, None  # (2)


def add_positions(input: Tensor, table: Tensor, offset: int = 0) -> Tensor:
    """x (…, T, D) plus the rows offset, offset + 1, … of the table (M, D)."""
    if offset < 0 or offset + input.shape[-2] > table.shape[0]:
        raise ValueError(f"positions {offset} to {offset + input.shape[-2] - 1} are not in 0 to {table.shape[0] - 1}")
    return AddPositionsFn.apply(input, table, offset)


def sinusoids(length: int, size: int, device=None, dtype=None) -> Tensor:
    """(3), for positions 0, 1, …"""
    frequency = 10000.0 ** (-torch.arange(0, size, 2, device=device, dtype=torch.float64) / size)
    angle = torch.arange(length, device=device)[:, None] * frequency
    table = torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, :size]
    return table.to(dtype or torch.get_default_dtype())
