"""Adaptive pooling: as many windows as one asks for, over an input of any size.

Shapes:     x (N, C, *S)   y (N, C, *O) for a given O
Formula:    along a dimension of n numbers window i of o holds those from ⌊i n / o⌋ to before ⌈(i + 1) n / o⌉   (1)
            and y is the mean or the maximum of each box of windows. If o divides n these are the windows of ordinary
            pooling with kernel and stride n/o. If not, their lengths differ by one or two and they overlap by one:
            `unroll` writes them one beside the other, and they are ordinary, too.
Adjoint:    that of scratch/ops/pool/pool.py, after that of scratch/ops/pool/irregular_windows.py.
Saved, kinks: those of scratch/ops/pool/pool.py: a tie goes to the first maximum.
Errors:     RuntimeError for shapes that do not fit, TypeError for sizes that are no whole numbers (None keeps that of
            x, in 2 and 3 dimensions).
Reference:  torch.nn.functional.adaptive_avg_pool1d, …2d, …3d, adaptive_max_pool1d, …2d, …3d. Differs: an
            output_size of 0, whose gradient torch refuses, is refused at once.
Source:     He, Zhang, Ren and Sun, Spatial pyramid pooling in deep convolutional networks (2014).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.layout import keeps_channels_last
from scratch.ops.pool.irregular_windows import Axis, max_of_windows, unroll
from scratch.ops.pool.pool import AvgPoolFn, even_windows, unbatched, windows_of

Output = int | Sequence[int | None]


def windows(n: int, o: int, device: torch.device) -> Axis:
    """(1) for `unroll`."""
    n = int(n)  # a tensor, where torch.jit.trace looks
    if n % o == 0:
        return Axis(n // o)
    k = n // o + 1 + (n % o > math.gcd(n, o))  # the longest: (i n) mod o takes all multiples of their common divisor
    begin, end = even_windows(n, o, device)
    place = begin[:, None] + torch.arange(k, device=device)
    return Axis(k, place.clamp(max=n - 1).view(1, 1, -1), (place >= end[:, None]).view(1, 1, -1))


def sizes(dims: int, output: Output, x: Tensor, mean: bool) -> list[int]:
    """O, after torch's checks; the mean of everything may be that of nothing."""
    if x.dim() != dims + 2:
        error = ValueError if isinstance(output, Sequence) and x.dim() <= len(output) > 1 else RuntimeError
        raise error(f"expected (N, C, *S) or (C, *S) with {dims} dimensions S, but got {tuple(x.shape)}")
    if isinstance(output, int):
        output = [output] * dims
    if not isinstance(output, Sequence) or (dims == 1 and None in output):
        raise TypeError(f"output_size must be whole numbers, but got {output}")
    if len(output) != dims:
        raise RuntimeError(f"output_size needs 1 or {dims} numbers, but got {output}")
    found = [int(n) if o is None else o for o, n in zip(output, x.shape[2:], strict=True)]
    filled = x.shape[2:] if mean and dims < 3 else x.shape[1:]
    if min(found) <= 0 or (0 in filled and not (mean and max(found) == 1)):
        raise RuntimeError(
            f"output_size must be positive and only the batch empty, but got {output} for an input {tuple(x.shape)}"
        )
    x.new_empty(*x.shape[:2], *found)  # refuses at once what no memory holds
    return found


@keeps_channels_last
def adaptive_avg_pool(dims: int, x: Tensor, output_size: Output) -> Tensor:
    if x.dim() == dims + 1:
        return unbatched(adaptive_avg_pool(dims, x[:, None], output_size))
    need_floating(x.dtype, f"adaptive_avg_pool{dims}d", or_complex=True)
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    output = sizes(dims, output_size, x, mean=True)
    if 0 in x.shape[1:]:
        mean = x.sum(list(range(2, 2 + dims)), keepdim=True) / x.shape[2:].numel()
        return mean.expand(*x.shape[:2], *output)
    axes = [windows(n, o, x.device) for n, o in zip(x.shape[2:], output, strict=True)]
    u, kernel = unroll(x, axes, 0), [axis.kernel for axis in axes]
    lengths = None if u is x else tuple(zip(x.shape[2:], output, strict=True))  # m: that of each window
    return AvgPoolFn.apply(u, windows_of(u, dims, kernel, kernel, 0, 1, False), True, lengths)


@keeps_channels_last
def adaptive_max_pool(dims: int, x: Tensor, output_size: Output, return_indices: bool):
    if x.dim() == dims + 1:
        return unbatched(adaptive_max_pool(dims, x[:, None], output_size, return_indices))
    need_floating(x.dtype, f"adaptive_max_pool{dims}d")
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    output = sizes(dims, output_size, x, mean=False)
    axes = [windows(n, o, x.device) for n, o in zip(x.shape[2:], output, strict=True)]
    return max_of_windows(x, axes, return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, L) or (C, L). See the module's page."""
    return adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, H, W) or (C, H, W). See the module's page."""
    return adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, D, H, W) or (C, D, H, W). See the module's page."""
    return adaptive_avg_pool(3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Output, return_indices: bool = False):
    """The maximum of each of the windows, and with ``return_indices`` its place. See the module's page."""
    return adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Output, return_indices: bool = False):
    """The maximum of each of the windows, and with ``return_indices`` its place. See the module's page."""
    return adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Output, return_indices: bool = False):
    """The maximum of each of the windows, and with ``return_indices`` its place. See the module's page."""
    return adaptive_max_pool(3, input, output_size, return_indices)
