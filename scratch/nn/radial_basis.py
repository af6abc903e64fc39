"""Radial basis functions: centres and widths; the mathematics is in scratch/ops/radial_basis.py."""

import torch
from torch import Tensor
from torch.nn import Parameter, init

from scratch.nn import functional as F
from scratch.nn.layer import Layer


class RadialBasis(Layer):
    """φ_k = exp(−|x − c_k|² / 2w_k²) with centres (num_centres, in_features), initially from N(0, 1), and width
    (num_centres,), initially ones."""

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
        return F.radial_basis(input, self.centres, self.width)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_centres={self.num_centres}"
