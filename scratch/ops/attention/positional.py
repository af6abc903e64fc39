"""Positions: attention does not know the order of its rows unless something in the rows tells.

Shapes:     x, y (…, T, D)   p (M, D) with M ≥ o + T, where o is the position of the first row
Value:      y[…, t] = x[…, t] + p[o + t]                                                        (1)
Tangent:    ẏ[…, t] = ẋ[…, t] + ṗ[o + t]                                                        (2)
Adjoint:    x̄ = ȳ      p̄[o + t] = Σ ȳ[…, t] over all dimensions before T, and 0 elsewhere         (3)
Sinusoids:  p is learned, or made of sines and cosines of D/2 wavelengths, from 2π to 10000 · 2π:
            p[t, 2i] = sin(t ωᵢ),   p[t, 2i + 1] = cos(t ωᵢ),   ωᵢ = 10000^(−2i / D)             (4)
            so that p[t + k] is a rotation of p[t] which depends on k alone.
Saved:      nothing but sizes.
Kinks:      none.
Errors:     ValueError where there are not enough positions.
Source:     Vaswani et al., Attention is all you need (2017); Gehring et al., Convolutional sequence to sequence
            learning (2017), for learned positions.
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function


class AddPositionsFn(Function):
    """x, p, o and M -> y"""

    @staticmethod
    def result_dtype(x, p, *_):
        return torch.promote_types(x.dtype, p.dtype)

    @staticmethod
    def value(x, p, offset, count):
        return x + p[offset : offset + x.shape[-2]]  # (1)

    @staticmethod
    def tangent(x_dot, p_dot, offset, count):
        return x_dot + p_dot[offset : offset + x_dot.shape[-2]]  # (2)

    @staticmethod
    def adjoint(y_bar, offset, count):
        used = y_bar.flatten(0, -3).sum(0) if y_bar.dim() > 2 else y_bar
        before, after = offset, count - offset - y_bar.shape[-2]
        return y_bar, torch.constant_pad_nd(used, [0, 0, before, after])  # (3)


def add_positions(input: Tensor, table: Tensor, offset: int = 0) -> Tensor:
    """x (…, T, D) plus the rows offset, offset + 1, … of the table (M, D)."""
    if offset < 0 or offset + input.shape[-2] > table.shape[0]:
        raise ValueError(f"positions {offset} to {offset + input.shape[-2] - 1} are not in 0 to {table.shape[0] - 1}")
    return AddPositionsFn.apply(input, table, offset, table.shape[0])


def sinusoids(length: int, size: int, device=None, dtype=None) -> Tensor:
    """(4), for positions 0, 1, …"""
    frequency = 10000.0 ** (-torch.arange(0, size, 2, device=device, dtype=torch.float64) / size)
    angle = torch.arange(length, device=device)[:, None] * frequency
    table = torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, :size]
    return table.to(dtype or torch.get_default_dtype())
