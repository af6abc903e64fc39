"""Positions as modules; the mathematics is in scratch/ops/attention/positional.py."""

import torch
from torch import Tensor
from torch.nn import Parameter, init

from scratch.nn import functional as F
from scratch.nn.layer import Layer
from scratch.ops.attention.positional import sinusoids


class _Positions(Layer):
    """x plus a row of the table for each position: x (N, T, D), (T, N, D) without ``batch_first``, or (T, D).

    ``offset`` is the position of the first row, for sequences that are computed piece by piece.
    """

    table: Tensor

    def __init__(self, d_model: int, max_length: int, batch_first: bool) -> None:
        super().__init__()
        self.d_model, self.max_length, self.batch_first = d_model, max_length, batch_first

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        if self.batch_first or input.dim() < 3:
            return F.add_positions(input, self.table, offset)
        return F.add_positions(input.transpose(0, 1), self.table, offset).transpose(0, 1)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_length={self.max_length}, batch_first={self.batch_first}"


class SinusoidalPositions(_Positions):
    """Sines and cosines of wavelengths from 2π to 10000 · 2π. There is nothing to learn, and nothing in state_dict."""

    def __init__(self, d_model: int, max_length: int = 5000, batch_first: bool = True, device=None, dtype=None) -> None:
        super().__init__(d_model, max_length, batch_first)
        self.register_buffer("table", sinusoids(max_length, d_model, device, dtype), persistent=False)


class LearnedPositions(_Positions):
    """A learned row for every position, from N(0, 0.02²)."""

    def __init__(self, d_model: int, max_length: int = 5000, batch_first: bool = True, device=None, dtype=None) -> None:
        super().__init__(d_model, max_length, batch_first)
        self.table = Parameter(torch.empty(max_length, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.normal_(self.table, std=0.02)
