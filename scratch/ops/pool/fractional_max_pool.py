"""Fractional max-pooling: windows at random places, so that an image shrinks by any factor, such as √2.

Shapes:     x (N, C, *S)   y (N, C, *O)   u (N, C, dims) random numbers from [0, 1), one for each axis of a channel
Formula:    along a dimension of n numbers the o windows of k numbers begin at
            ⌊(i + u) α⌋ − ⌊u α⌋,   α = (n − k) / (o − 1),   i = 0 … o − 2,   and the last at n − k           (1)
            and y is the maximum of each box of windows. `unroll` writes them one beside the other.
Adjoint:    that of max-pooling, after that of scratch/ops/pool/irregular_windows.py.   u gets no gradient.
Saved, kinks: those of scratch/ops/pool/pool.py: a tie goes to the first maximum.
Random:     u as torch draws it: equal windows under an equal seed. In 2 dimensions u has that of the width first, in 3
            that of the depth, as torch's.
Errors:     ValueError without output_size and output_ratio; RuntimeError for shapes that do not fit. In 3 dimensions
            o + k − 1 must be smaller than n, in 2 it may be as large, as torch's.
Reference:  torch.nn.functional.fractional_max_pool2d, fractional_max_pool3d. Differs: nothing.
Source:     Graham, Fractional max-pooling (2014).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes, pair
from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.pool.irregular_windows import Axis, max_of_windows
from scratch.ops.pool.pool import unbatched


def windows(u: Tensor, n: int, o: int, k: int) -> Axis:
    """(1) for u (N, C)."""
    alpha = torch.full((), (n - k) / max(o - 1, 1), dtype=u.dtype, device=u.device)
    i = torch.arange(o - 1, dtype=u.dtype, device=u.device)
    begin = ((i + u[..., None]) * alpha).long() - (u[..., None] * alpha).long()
    begin = torch.cat([begin, begin.new_full((*u.shape, 1), n - k)], -1)
    return Axis(k, (begin[..., None] + torch.arange(k, device=u.device)).flatten(2))


def fractional_max_pool(
    dims: int,
    x: Tensor,
    kernel: int | Sizes,
    output: int | Sizes | None,
    ratio: float | Sequence[float] | None,
    return_indices: bool,
    samples: Tensor | None,
) -> Tensor | tuple[Tensor, Tensor]:
    if x.dim() == dims + 1:
        samples = None if samples is None else samples[:1].transpose(0, 1)
        return unbatched(fractional_max_pool(dims, x[:, None], kernel, output, ratio, return_indices, samples))
    if x.dim() != dims + 2 or 0 in x.shape[1:]:
        raise RuntimeError(
            f"expected (N, C, *S) or (C, *S) with {dims} dimensions S not empty, but got {tuple(x.shape)}"
        )
    if output is None:
        if ratio is None:
            raise ValueError("fractional max-pooling needs output_size or output_ratio")
        ratios = ratio if isinstance(ratio, Sequence) else [ratio] * dims
        if len(ratios) != dims:
            raise ValueError(f"output_ratio needs 1 or {dims} numbers, but got {ratio}")
        output = [int(n * r) for n, r in zip(x.shape[2:], ratios, strict=True)]
    need_floating(x.dtype, f"fractional_max_pool{dims}d")
    kernel, output = pair(kernel, dims), pair(output, dims)
    check(dims, x.shape[2:], kernel, output)
    if samples is None:
        samples = torch.rand(*x.shape[:2], dims, dtype=x.dtype, device=x.device)
    x, samples = autocast_wide(x, samples, gpu=False)
    if samples.dtype != x.dtype or samples.shape[0] < x.shape[0] or samples.shape[1:] != (x.shape[1], dims):
        raise RuntimeError(
            f"_random_samples must be {x.dtype} of shape {(*x.shape[:2], dims)}, "
            f"but are {samples.dtype} of {tuple(samples.shape)}"
        )
    if 0 in output:
        y = x.flatten(2)[..., :0].clone().view(*x.shape[:2], *output)
        return (y, y.long()) if return_indices else y
    each = samples[: x.shape[0]].unbind(-1)
    each = each[::-1] if dims == 2 else each
    axes = [windows(*options) for options in zip(each, x.shape[2:], output, kernel, strict=True)]
    return max_of_windows(x, axes, return_indices)


def check(dims: int, size: Sizes, kernel: Sizes, output: Sizes) -> None:
    if not len(kernel) == len(output) == dims:
        raise RuntimeError(f"kernel_size and output_size need 1 or {dims} numbers, but got {kernel} and {output}")
    if min(kernel) <= 0 or min(output) < 0:
        raise RuntimeError(f"kernel_size {kernel} must be positive, output_size {output} not negative")
    most = [n - k + (dims == 2) for n, k in zip(size, kernel, strict=True)]
    if any(o > m for o, m in zip(output, most, strict=True)):
        raise RuntimeError(
            f"output_size {output} does not fit kernel {kernel}: at most {most} for an input {tuple(size)}"
        )


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima of x (N, C, H, W) or (C, H, W) over random windows. See the module's page."""
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max_pool(2, input, *options)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima of x (N, C, D, H, W) or (C, D, H, W) over random windows. See the module's page."""
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max_pool(3, input, *options)
