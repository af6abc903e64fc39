"""torch.nn.functional's pooling: its signatures and what it refuses. The mathematics is in scratch/ops/pool/.

An input without a batch, (C, *S), goes as (C, 1, *S): like a batch, its channels may be none at all.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes, Windows, pair
from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.layout import keeps_channels_last
from scratch.ops.pool import pool
from scratch.ops.pool.adaptive_pool import adaptive_avg_pool as adaptive_mean
from scratch.ops.pool.adaptive_pool import adaptive_max_pool as adaptive_maximum
from scratch.ops.pool.fractional_max_pool import fractional_max_pool as fractional_maximum
from scratch.ops.pool.lp_pool import lp_pool as power_average
from scratch.ops.pool.max_unpool import max_unpool as put_back

Pooled = Tensor | tuple[Tensor, Tensor]  # with return_indices also the places
Output = int | Sequence[int | None]


def with_batch(x: Tensor) -> Tensor:
    """(C, *S) as (C, 1, *S)."""
    if x.shape[0] == 0:
        raise RuntimeError(f"only the batch may be empty, but got (C, *S) of shape {tuple(x.shape)}")
    return x[:, None]


def unbatched(result: Any) -> Any:
    """The results for (C, *S) of those for (C, 1, *S)."""
    return tuple(y.squeeze(1) for y in result) if isinstance(result, tuple) else result.squeeze(1)


def output_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    reach = n + 2 * p - d * (k - 1) - 1
    if not ceil_mode:
        return reach // s + 1
    o = -(-reach // s) + 1
    return o - 1 if (o - 1) * s >= n + p else o  # the last window must begin within image or left padding


@lru_cache
def pool_windows(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Windows:
    """Where the windows lie; refuses what torch refuses. On the right the padding goes to where the last window ends,
    which with ceil_mode may be beyond p."""
    if any(len(numbers) != len(size) for numbers in (kernel, stride, padding, dilation)):
        raise RuntimeError(f"kernel_size, stride, padding and dilation need 1 or {len(size)} numbers")
    if min(*kernel, *stride, *dilation) <= 0:
        raise RuntimeError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive")
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(f"padding {padding} must be between 0 and half the kernel {kernel}")
    sides: list[int] = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        o = output_size(n, k, s, p, d, ceil_mode)
        if o <= 0:
            raise RuntimeError(f"the kernel {kernel} is larger than the padded input {size}")
        sides = [p, s * (o - 1) + d * (k - 1) + 1 - p - n, *sides]
    return Windows(size, kernel, stride, tuple(sides), dilation)


def windows_of(x: Tensor, dims: int, kernel, stride, padding, dilation, ceil_mode: bool) -> Windows:
    """The windows on x (N, C, *S), of so many dimensions S."""
    if x.dim() != dims + 2:
        raise RuntimeError(f"expected (N, C, *S) or (C, *S) with {dims} dimensions S, but got {tuple(x.shape)}")
    stride = kernel if stride is None or len(pair(stride)) == 0 else stride
    sizes = [pair(value, dims) for value in (kernel, stride, padding, dilation)]
    if 0 in x.shape[1:]:
        raise RuntimeError(f"only the batch may be empty, but got {tuple(x.shape)}")
    return pool_windows(tuple(x.shape[2:]), *sizes, ceil_mode)


def refuse_larger_kernel(windows: Windows) -> None:
    """In three dimensions PyTorch takes no mean over a kernel larger than the input, whatever the padding."""
    if len(windows.size) == 3 and any(n < k for n, k in zip(windows.size, windows.kernel, strict=True)):
        raise RuntimeError(f"the kernel {windows.kernel} is larger than the input {windows.size}")


@keeps_channels_last(2, 3)
def max_pool(dims: int, x: Tensor, kernel, stride, padding, dilation, ceil_mode: bool, return_indices: bool) -> Pooled:
    if x.dim() == dims + 1:
        return unbatched(max_pool(dims, with_batch(x), kernel, stride, padding, dilation, ceil_mode, return_indices))
    if x.dtype == torch.bool or x.is_complex():
        raise NotImplementedError(f"max-pooling takes real numbers, but got {x.dtype}")
    if dims == 3 and not return_indices:
        (x,) = autocast_wide(x, gpu=False)
    windows = windows_of(x, dims, kernel, stride, padding, dilation, ceil_mode)
    return pool.max_pool_with_indices(x, windows) if return_indices else pool.max_pool(x, windows)


@keeps_channels_last(2)
def avg_pool(
    dims: int, x: Tensor, kernel, stride, padding, ceil_mode: bool, count_include_pad: bool, override: int | None = None
) -> Tensor:
    if x.dim() == dims + 1:
        return unbatched(avg_pool(dims, with_batch(x), kernel, stride, padding, ceil_mode, count_include_pad, override))
    if override == 0:
        raise RuntimeError("divisor_override must not be 0")
    if x.dtype == torch.bool:
        raise NotImplementedError("average pooling takes numbers, but got torch.bool")
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    windows = windows_of(x, dims, kernel, stride, padding, 1, ceil_mode)
    refuse_larger_kernel(windows)
    counted = pair(padding, dims) if count_include_pad else (0,) * dims
    return pool.avg_pool(x, windows, pool.counts(windows, counted, x.device) if override is None else override)


@keeps_channels_last(2)
def lp_pool(dims: int, x: Tensor, p: float, kernel, stride, ceil_mode: bool) -> Tensor:
    if p == 0:
        raise ValueError("norm_type must not be 0")
    if x.dim() == dims + 1:
        return unbatched(lp_pool(dims, with_batch(x), p, kernel, stride, ceil_mode))
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    windows = windows_of(x, dims, kernel, stride, 0, 1, ceil_mode)
    refuse_larger_kernel(windows)
    return power_average(x, p, windows)


def adaptive_size(dims: int, output: Output, x: Tensor, mean: bool) -> list[int]:
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


@keeps_channels_last(2)
def adaptive_avg_pool(dims: int, x: Tensor, output_size: Output) -> Tensor:
    if x.dim() == dims + 1:
        return unbatched(adaptive_avg_pool(dims, x[:, None], output_size))
    need_floating(x.dtype, f"adaptive_avg_pool{dims}d", or_complex=True)
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    output = adaptive_size(dims, output_size, x, mean=True)
    if 0 in x.shape[1:]:
        mean = x.sum(list(range(2, 2 + dims)), keepdim=True) / x.shape[2:].numel()
        return mean.expand(*x.shape[:2], *output)
    return adaptive_mean(x, output)


@keeps_channels_last(2)
def adaptive_max_pool(dims: int, x: Tensor, output_size: Output, return_indices: bool) -> Pooled:
    if x.dim() == dims + 1:
        return unbatched(adaptive_max_pool(dims, x[:, None], output_size, return_indices))
    need_floating(x.dtype, f"adaptive_max_pool{dims}d")
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    return adaptive_maximum(x, adaptive_size(dims, output_size, x, mean=False), return_indices)


def fractional_max_pool(
    dims: int,
    x: Tensor,
    kernel: int | Sizes,
    output: int | Sizes | None,
    ratio: float | Sequence[float] | None,
    return_indices: bool,
    samples: Tensor | None,
) -> Pooled:
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
    check_fractional(dims, x.shape[2:], kernel, output)
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
    return fractional_maximum(x, samples[: x.shape[0]], kernel, output, return_indices)


def check_fractional(dims: int, size: Sizes, kernel: Sizes, output: Sizes) -> None:
    """In 3 dimensions o + k − 1 must be smaller than n, in 2 it may be as large, as torch's."""
    if not len(kernel) == len(output) == dims:
        raise RuntimeError(f"kernel_size and output_size need 1 or {dims} numbers, but got {kernel} and {output}")
    if min(kernel) <= 0 or min(output) < 0:
        raise RuntimeError(f"kernel_size {kernel} must be positive, output_size {output} not negative")
    most = [n - k + (dims == 2) for n, k in zip(size, kernel, strict=True)]
    if any(o > m for o, m in zip(output, most, strict=True)):
        raise RuntimeError(
            f"output_size {output} does not fit kernel {kernel}: at most {most} for an input {tuple(size)}"
        )


@keeps_channels_last(2)
def max_unpool(
    dims: int, x: Tensor, index: Tensor, kernel, stride, padding, output_size: Sequence[int] | None
) -> Tensor:
    """S = (L − 1) s + k − 2p unless output_size says otherwise."""
    need_floating(x.dtype, f"max_unpool{dims}d")
    kernel, padding = pair(kernel, dims), pair(padding, dims)
    stride = kernel if stride is None else pair(stride, dims)
    if not len(kernel) == len(stride) == len(padding) == dims:
        raise RuntimeError(f"kernel_size {kernel}, stride {stride} and padding {padding} need 1 or {dims} numbers")
    size = [s * (n - 1) + k - 2 * p for n, k, s, p in zip(x.shape[-dims:], kernel, stride, padding, strict=True)]
    if output_size is not None:
        wanted = list(output_size[2:] if len(output_size) == dims + 2 else output_size)
        if len(wanted) != dims:
            raise ValueError(f"output_size needs {dims} or {dims + 2} numbers, but got {output_size}")
        if any(not n - s < w < n + s for n, s, w in zip(size, stride, wanted, strict=True)):
            raise ValueError(f"output_size {output_size} must differ from {size} by less than the stride {stride}")
        size = wanted
    if min(size) < 0:
        raise ValueError(f"the output would have the size {size}")
    if x.dim() not in (dims + 1, dims + 2) or 0 in x.shape[1:]:
        raise RuntimeError(
            f"expected (N, C, *L) or (C, *L) with {dims} dimensions L not empty, but got {tuple(x.shape)}"
        )
    if index.dtype != torch.int64 or index.shape != x.shape:
        raise RuntimeError(f"indices must be int64 of shape {tuple(x.shape)}, got {index.dtype} {tuple(index.shape)}")
    (x,) = autocast_wide(x, gpu=False)
    if x.dim() == dims + 1:
        return put_back(x[:, None], index[:, None], size).squeeze(1)
    return put_back(x, index, size)


def max_pool1d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The maximum of each window, and with ``return_indices`` its place."""
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The maximum of each window, and with ``return_indices`` its place."""
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The maximum of each window, and with ``return_indices`` its place."""
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window."""
    return avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window."""
    return avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window."""
    return avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, L) or (C, L)."""
    return lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, H, W) or (C, H, W)."""
    return lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, D, H, W) or (C, D, H, W)."""
    return lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def adaptive_avg_pool1d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, L) or (C, L)."""
    return adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, H, W) or (C, H, W)."""
    return adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Output) -> Tensor:
    """The mean of each of the windows of x (N, C, D, H, W) or (C, D, H, W)."""
    return adaptive_avg_pool(3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Output, return_indices: bool = False) -> Pooled:
    """The maximum of each of the windows, and with ``return_indices`` its place."""
    return adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Output, return_indices: bool = False) -> Pooled:
    """The maximum of each of the windows, and with ``return_indices`` its place."""
    return adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Output, return_indices: bool = False) -> Pooled:
    """The maximum of each of the windows, and with ``return_indices`` its place."""
    return adaptive_max_pool(3, input, output_size, return_indices)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Pooled:
    """Maxima of x (N, C, H, W) or (C, H, W) over random windows."""
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max_pool(2, input, *options)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Pooled:
    """Maxima of x (N, C, D, H, W) or (C, D, H, W) over random windows."""
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max_pool(3, input, *options)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place."""
    return max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place."""
    return max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place."""
    return max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
