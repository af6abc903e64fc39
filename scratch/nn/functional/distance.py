"""torch.nn.functional's normalize, cosine_similarity and pdist: their signatures and what they refuse.

The mathematics is in scratch/ops/distance.py.
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, in_one_type
from scratch.ops.distance import cosine, pairwise_distance
from scratch.ops.distance import normalize as normalized


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x divided by its p-norm along ``dim``, or by eps where that is smaller."""
    output = normalized(last(input, dim), p, eps).movedim(-1, dim)
    if input.dim() == 0:
        output = output.squeeze(0)
    return output if out is None else out.copy_(output)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along ``dim``."""
    x1, x2 = autocast_wide(x1, x2, cpu=False)
    dtype = torch.promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f"cosine_similarity is not defined for {dtype}")
    a, b = (t.contiguous() for t in torch.broadcast_tensors(*in_one_type(x1, x2)))
    return cosine(last(a, dim), last(b, dim), eps)


def last(x: Tensor, dim: int) -> Tensor:
    """x with this dimension last; a number alone is a row of one."""
    return x.movedim(dim, -1).reshape(1) if x.dim() == 0 else x.movedim(dim, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances between all rows i < j of a matrix, one after the other."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist takes a matrix, but got {input.dim()} dimensions")
    if p < 0:
        raise RuntimeError(f"p must be at least 0, but is {p}")
    (input,) = autocast_wide(input, cpu=False)
    if not input.is_floating_point():
        raise RuntimeError(f"pdist is not defined for {input.dtype}")
    first, second = torch.triu_indices(len(input), len(input), 1, device=input.device)
    a, b = input.index_select(0, first), input.index_select(0, second)
    if input.shape[1] == 0:
        return (a - b).sum(1)
    d = pairwise_distance(a, b, p, 0.0)
    return d.masked_fill((a - b).isnan().any(1), math.nan) if p == 0 else d
