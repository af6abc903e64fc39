"""Position encodings: the reference of scratch/nn/positional.py."""

import torch
from torch import Tensor
from torch.nn import Module, Parameter, init


class SinusoidalPositions(Module):
    """x (N, T, D) + table, whose row t is sin, cos of t / 10000^(2i / D) (Vaswani et al. 2017)."""

    table: Tensor

    def __init__(self, d_model: int, max_length: int = 5000, batch_first: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        self.d_model, self.max_length, self.batch_first = d_model, max_length, batch_first
        table = torch.zeros(max_length, d_model, dtype=torch.float64, device=device)
        frequency = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64, device=device) / d_model)
        angle = torch.arange(max_length, device=device)[:, None] * frequency
        table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()[:, : d_model // 2]
        self.register_buffer("table", table.to(dtype or torch.get_default_dtype()), persistent=False)

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        return input + positions(self, input, offset)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_length={self.max_length}, batch_first={self.batch_first}"


class LearnedPositions(Module):
    """x (N, T, D) + table, which is learned."""

    def __init__(self, d_model: int, max_length: int = 5000, batch_first: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        self.d_model, self.max_length, self.batch_first = d_model, max_length, batch_first
        self.table = Parameter(torch.empty(max_length, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.normal_(self.table, std=0.02)

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        return input + positions(self, input, offset)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_length={self.max_length}, batch_first={self.batch_first}"


def positions(layer: SinusoidalPositions | LearnedPositions, input: Tensor, offset: int) -> Tensor:
    """The rows of the table for input (N, T, D), (T, N, D) without ``batch_first``, or (T, D)."""
    time_first = input.dim() == 3 and not layer.batch_first
    length = input.shape[0 if time_first else -2]
    if offset < 0 or offset + length > layer.max_length:
        raise ValueError(f"positions {offset} to {offset + length - 1} are not in 0 to {layer.max_length - 1}")
    rows = layer.table[offset : offset + length]
    return rows[:, None] if time_first else rows
