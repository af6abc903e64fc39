"""Fractional max-pooling: windows at random places, so that an image shrinks by any factor, such as √2.

Shapes:     x (N, C, *S)   y (N, C, *O)   u (N, C, dims) random numbers from [0, 1), one for each axis of a channel
Formula:    along a dimension of n numbers the o windows of k numbers begin at
            ⌊(i + u) α⌋ − ⌊u α⌋,   α = (n − k) / (o − 1),   i = 0 … o − 2,   and the last at n − k           (1)
            and y is the maximum of each box of windows. `unroll` writes them one beside the other.
Tangent:    that of irregular_windows.py, then that of max-pooling.
Adjoint:    that of max-pooling, then that of irregular_windows.py.   u gets no gradient.
Saved:      as there.   Kinks: a tie goes to the first maximum.
Random:     u as torch draws it: equal windows under an equal seed. In 2 dimensions u has that of the width first, in 3
            that of the depth, as torch's.
Errors:     see scratch/nn/functional/pool.py.
Reference:  torch.nn.functional.fractional_max_pool2d, fractional_max_pool3d. Differs: nothing.
Source:     Graham, Fractional max-pooling (2014).
"""

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes
from scratch.ops.pool.irregular_windows import Axis, max_of_windows


def windows(u: Tensor, n: int, o: int, k: int) -> Axis:
    """(1) for u (N, C)."""
    alpha = torch.full((), (n - k) / max(o - 1, 1), dtype=u.dtype, device=u.device)
    i = torch.arange(o - 1, dtype=u.dtype, device=u.device)
    begin = ((i + u[..., None]) * alpha).long() - (u[..., None] * alpha).long()
    begin = torch.cat([begin, begin.new_full((*u.shape, 1), n - k)], -1)
    return Axis(k, (begin[..., None] + torch.arange(k, device=u.device)).flatten(2))


def fractional_max_pool(
    x: Tensor, u: Tensor, kernel: Sizes, output: Sizes, return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each of the windows of x (N, C, *S), and its place. See the module's page."""
    each = u.unbind(-1)
    each = each[::-1] if len(each) == 2 else each
    axes = [windows(*options) for options in zip(each, x.shape[2:], output, kernel, strict=True)]
    return max_of_windows(x, axes, return_indices)
