"""Radial basis functions: the reference of scratch/nn/radial_basis.py."""

import torch
from torch import Tensor
from torch.nn import Module, Parameter, init


class RadialBasis(Module):
    """exp(−|x − c|² / 2w²) around centres c of width w (Broomhead and Lowe 1988)."""

    def __init__(self, in_features: int, num_centres: int, device=None, dtype=None) -> None:
        super().__init__()
        self.in_features, self.num_centres = in_features, num_centres
        self.centres = Parameter(torch.empty(num_centres, in_features, device=device, dtype=dtype))
        self.width = Parameter(torch.empty(num_centres, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.normal_(self.centres)
        init.ones_(self.width)

    def forward(self, input: Tensor) -> Tensor:
        square = (input.unsqueeze(-2) - self.centres).square().sum(-1)
        return (-square / (2 * self.width.square())).exp()

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_centres={self.num_centres}"
