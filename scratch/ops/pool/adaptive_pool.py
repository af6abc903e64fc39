"""Adaptive pooling: as many windows as one asks for, over an input of any size.

Shapes:     x (N, C, *S)   y (N, C, *O) for a given O
Formula:    along a dimension of n numbers window i of o holds those from ⌊i n / o⌋ to before ⌈(i + 1) n / o⌉   (1)
            and y is the mean or the maximum of each box of windows. If o divides n these are the windows of ordinary
            pooling with kernel and stride n/o. If not, their lengths differ by one or two and they overlap by one:
            `unroll` writes them one beside the other, and they are ordinary, too.
Tangent:    that of irregular_windows.py, then that of pool.py.
Adjoint:    that of pool.py, then that of irregular_windows.py.
Saved:      as there.   Kinks: a tie goes to the first maximum.
Errors:     see scratch/nn/functional/pool.py.
Reference:  torch.nn.functional.adaptive_avg_pool1d, …2d, …3d, adaptive_max_pool1d, …2d, …3d. Differs: an
            output_size of 0, whose gradient torch refuses, is refused at once.
Source:     He, Zhang, Ren and Sun, Spatial pyramid pooling in deep convolutional networks (2014).
"""

import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from scratch.ops.pool.irregular_windows import Axis, max_of_windows, side_by_side, unroll
from scratch.ops.pool.pool import avg_pool


def even_windows(n: int, o: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(1): where each of the o windows begins and ends."""
    i = torch.arange(o, device=device)
    return i * n // o, -(-(i + 1) * n // o)


def windows(n: int, o: int, device: torch.device) -> Axis:
    """(1) for `unroll`."""
    n = int(n)  # a tensor, where torch.jit.trace looks
    if n % o == 0:
        return Axis(n // o)
    k = n // o + 1 + (n % o > math.gcd(n, o))  # the longest: (i n) mod o takes all multiples of their common divisor
    begin, end = even_windows(n, o, device)
    places = begin[:, None] + torch.arange(k, device=device)
    return Axis(k, places.clamp(max=n - 1).flatten(), (places >= end[:, None]).flatten())


def lengths(n: int, o: int, device: torch.device) -> Tensor:
    """How many numbers each of the o windows has."""
    begin, end = even_windows(n, o, device)
    return end - begin


def adaptive_avg_pool(x: Tensor, output: Sequence[int]) -> Tensor:
    """The mean of each of the windows of x (N, C, *S). See the module's page."""
    along = [(n, o, x.device) for n, o in zip(x.shape[2:], output, strict=True)]
    axes = [windows(*axis) for axis in along]
    u = unroll(x, axes, 0)
    if u is x:
        return avg_pool(x, side_by_side(x, axes), math.prod([axis.kernel for axis in axes]))
    m = reduce(lambda above, below: above[..., None] * below, [lengths(*axis) for axis in along])
    return avg_pool(u, side_by_side(u, axes), m)


def adaptive_max_pool(x: Tensor, output: Sequence[int], return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The maximum of each of the windows of x (N, C, *S), and its place. See the module's page."""
    axes = [windows(n, o, x.device) for n, o in zip(x.shape[2:], output, strict=True)]
    return max_of_windows(x, axes, return_indices)
