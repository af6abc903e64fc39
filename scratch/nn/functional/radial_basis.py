"""Radial basis functions, and what they refuse. The mathematics is in scratch/ops/radial_basis.py."""

import torch
from torch import Tensor

from scratch.ops.core.dtype import widen
from scratch.ops.linear import rows
from scratch.ops.radial_basis import radial_basis as bells


def radial_basis(input: Tensor, centres: Tensor, width: Tensor) -> Tensor:
    """exp(−|x − c|² / 2w²) for every centre: (…, I) to (…, K)."""
    if centres.dim() != 2 or input.shape[-1:] != centres.shape[1:] or width.shape != centres.shape[:1]:
        shapes = f"{list(input.shape)}, {list(centres.shape)} and {list(width.shape)}"
        raise RuntimeError(f"x (…, I), centres (K, I) and width (K,) go together, but got {shapes}")
    dtype = torch.promote_types(input.dtype, centres.dtype)
    phi = bells(*(widen(t.to(dtype)) for t in (rows(input), centres, width)))
    return phi.to(dtype).view(*input.shape[:-1], len(centres))
