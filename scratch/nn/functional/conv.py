"""torch.nn.functional's convolutions, unfold and fold: their signatures and what they refuse.

The mathematics is in scratch/ops/conv/.
"""

import math
from functools import lru_cache

from torch import Tensor

from scratch.ops.conv.conv import conv
from scratch.ops.conv.conv_transpose import conv_transpose
from scratch.ops.conv.fold import fold as fold_columns
from scratch.ops.conv.fold import unfold as unfold_windows
from scratch.ops.conv.window import Sizes, Windows, pair
from scratch.ops.core.warning import warn


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, L') = b + W * x for x (N, C, L) or, unbatched, (C, L)."""
    return conv_nd(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, H', W') = b + W * x for x (N, C, H, W) or, unbatched, (C, H, W)."""
    return conv_nd(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, D', H', W') = b + W * x for x (N, C, D, H, W) or, unbatched, (C, D, H, W)."""
    return conv_nd(3, input, weight, bias, stride, padding, dilation, groups)


def conv_nd(
    dims: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sizes,
    padding: str | int | Sizes,
    dilation: int | Sizes,
    groups: int,
) -> Tensor:
    """The convolution in so many dimensions."""
    if x.dim() == dims + 1:
        return conv_nd(dims, x[None], weight, bias, stride, padding, dilation, groups)[0]
    if x.dim() != dims + 2 or weight.dim() != dims + 2:
        raise RuntimeError(
            f"expected an input (N, C, *S) or (C, *S) and a weight (O, C, *K) with {dims} spatial dimensions, "
            f"but got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    stride, dilation = pair(stride, dims), pair(dilation, dims)
    amounts = padding_amounts(padding, weight.shape[2:], stride, dilation)
    if padding == "same" and amounts[::2] != amounts[1::2]:
        warn("padding='same' is uneven here: there is one more zero on the right", stacklevel=3)
    windows = Windows(tuple(x.shape[2:]), tuple(weight.shape[2:]), stride, amounts, dilation)
    check(
        x.shape[1],
        0 in x.shape[2:] and x.shape[:2].numel() > 0,  # asked last: an exported program leaves N open
        tuple(weight.shape),
        None if bias is None else tuple(bias.shape),
        windows,
        groups,
    )
    return conv(x, weight, bias, windows, groups)


def padding_amounts(padding: str | int | Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[int, ...]:
    """Padding as a user writes it -> (left, right) of the last dimension, then of the one before, ..."""
    if padding == "valid":
        return (0, 0) * len(kernel)
    if padding == "same":  # as many outputs as inputs; an odd number gives the right side one more
        if any(s != 1 for s in stride):
            raise RuntimeError(f"padding='same' goes with stride 1 only, but got {tuple(stride)}")
        total = [r * (k - 1) for k, r in zip(kernel, dilation, strict=True)]
        return tuple(amount for t in reversed(total) for amount in (t // 2, t - t // 2))
    if isinstance(padding, str):
        raise RuntimeError(f"padding {padding!r}: legal are 'same', 'valid' and numbers")
    return tuple(amount for p in reversed(pair(padding, len(kernel))) for amount in (p, p))


@lru_cache
def check(channels: int, empty_places: bool, weight: Sizes, bias: Sizes | None, windows: Windows, groups: int) -> None:
    """Raise RuntimeError for shapes and numbers that torch's convolution refuses."""
    size, kernel, stride, padding, dilation = windows
    if not len(stride) == len(dilation) == len(padding) / 2 == len(kernel):
        raise RuntimeError(f"stride, padding and dilation need 1 or {len(kernel)} numbers")
    if min(*stride, *dilation, *kernel, groups) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride}, dilation {dilation} and groups {groups} must be positive, "
            f"padding {padding} not negative"
        )
    if weight[0] == 0 or weight[0] % groups:
        raise RuntimeError(f"{groups} groups do not divide {weight[0]} output channels")
    if channels != weight[1] * groups:
        raise RuntimeError(
            f"a weight {weight} with {groups} groups expects {weight[1] * groups} input channels, but got {channels}"
        )
    if bias is not None and bias != (weight[0],):
        raise RuntimeError(f"expected a bias of shape ({weight[0]},), but got {bias}")
    if empty_places:
        raise RuntimeError(f"only the batch and the channels may be empty, but the input has the size {size}")
    if min(windows.output) <= 0:
        raise RuntimeError(f"the kernel {kernel} is larger than the padded input {windows.padded}")


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, L') for x (N, C, L) or, unbatched, (C, L)."""
    return conv_transpose_nd(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, H', W') for x (N, C, H, W) or, unbatched, (C, H, W)."""
    return conv_transpose_nd(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, D', H', W') for x (N, C, D, H, W) or, unbatched, (C, D, H, W)."""
    return conv_transpose_nd(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose_nd(
    dims: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sizes,
    padding: int | Sizes,
    output_padding: int | Sizes,
    groups: int,
    dilation: int | Sizes,
) -> Tensor:
    """The transposed convolution in so many dimensions."""
    if x.dim() == dims + 1:
        options = stride, padding, output_padding, groups, dilation
        return conv_transpose_nd(dims, x[None], weight, bias, *options)[0]
    if x.dim() != dims + 2 or weight.dim() != dims + 2:
        raise RuntimeError(
            f"expected an input (N, C, *S) or (C, *S) and a weight (C, O, *K) with {dims} spatial dimensions, "
            f"but got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    sizes = tuple(pair(value, dims) for value in (stride, padding, output_padding, dilation))
    shape = None if bias is None else tuple(bias.shape)
    windows = windows_transposed(tuple(x.shape[1:]), tuple(weight.shape), shape, groups, *sizes)
    if 0 in windows.size and x.numel() > 0:
        raise RuntimeError(
            f"padding {sizes[1]} cuts away all that there is: the output would have the size {windows.size}"
        )
    return conv_transpose(x, weight, bias, windows, groups)


@lru_cache
def windows_transposed(
    x: Sizes,
    weight: Sizes,
    bias: Sizes | None,
    groups: int,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Windows:
    """The windows of the convolution from y to x (C, *L); refuses what torch refuses."""
    channels, *places = x
    dims, kernel = len(weight) - 2, tuple(weight[2:])
    if any(len(numbers) != dims for numbers in (stride, padding, output_padding, dilation)):
        raise RuntimeError(f"stride, padding, output_padding and dilation need 1 or {dims} numbers")
    if min(*stride, *dilation, *kernel, groups) <= 0 or min(*padding, *output_padding) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride}, dilation {dilation} and groups {groups} must be positive, "
            f"padding {padding} and output_padding {output_padding} not negative"
        )
    if any(q >= max(s, d) for q, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}"
        )
    if 0 in weight or weight[0] % groups:
        raise RuntimeError(f"{groups} groups do not divide a weight {weight}")
    if channels != weight[0]:
        raise RuntimeError(f"a weight {weight} expects {weight[0]} input channels, but got {channels}")
    if bias is not None and bias != (weight[1] * groups,):
        raise RuntimeError(f"expected a bias of shape ({weight[1] * groups},), but got {bias}")
    if 0 in places:
        raise RuntimeError(f"only the batch may be empty, but the input has the size {tuple(places)}")
    reach = [s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(places, kernel, stride, dilation, strict=True)]
    size = tuple(n - 2 * p + q for n, p, q in zip(reach, padding, output_padding, strict=True))
    if min(size) < 0:
        raise RuntimeError(f"padding {padding} cuts away more than there is: the output would have the size {size}")
    # On the right p of the border is cut away, but q given back; where q > p even more than there was.
    borders = (amount for p, q in zip(padding[::-1], output_padding[::-1], strict=True) for amount in (p, p - q))
    return Windows(size, kernel, stride, tuple(borders), dilation)


def windows_of_image(size: Sizes, kernel, stride, padding, dilation) -> Windows:
    """The windows of an image of this size; refuses what torch refuses."""
    kernel, stride, padding, dilation = (pair(value) for value in (kernel, stride, padding, dilation))
    if not len(kernel) == len(stride) == len(padding) == len(dilation) == len(size) == 2:
        raise RuntimeError("sizes, kernel_size, stride, padding and dilation need 1 or 2 numbers")
    if min(*kernel, *stride, *dilation) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive, padding {padding} not negative"
        )
    top, left = padding
    windows = Windows(tuple(size), kernel, stride, (left, left, top, top), dilation)
    if min(windows.output) <= 0:
        raise RuntimeError(
            f"the kernel {kernel} with dilation {dilation} is larger than the padded image {windows.padded}"
        )
    return windows


def unfold(
    input: Tensor,
    kernel_size: int | Sizes,
    dilation: int | Sizes = 1,
    padding: int | Sizes = 0,
    stride: int | Sizes = 1,
) -> Tensor:
    """The windows of x (N, C, H, W) or (C, H, W) as columns (N, C·K, L) or (C·K, L). See scratch/ops/conv/fold.py."""
    if input.dim() == 3:
        return unfold(input[None], kernel_size, dilation, padding, stride)[0]
    if input.dim() != 4 or 0 in input.shape[1:]:
        raise RuntimeError(f"expected (N, C, H, W) or (C, H, W), not empty but for N, got {tuple(input.shape)}")
    windows = windows_of_image(input.shape[2:], kernel_size, stride, padding, dilation)
    columns = input.shape[1] * math.prod(windows.kernel), math.prod(windows.output)
    return unfold_windows(input, windows).reshape(input.shape[0], *columns)


def fold(
    input: Tensor,
    output_size: int | Sizes,
    kernel_size: int | Sizes,
    dilation: int | Sizes = 1,
    padding: int | Sizes = 0,
    stride: int | Sizes = 1,
) -> Tensor:
    """Columns (N, C·K, L) or (C·K, L), added where `unfold` reads them. See scratch/ops/conv/fold.py."""
    if input.dim() == 2:
        return fold(input[None], output_size, kernel_size, dilation, padding, stride)[0]
    windows = windows_of_image(pair(output_size), kernel_size, stride, padding, dilation)
    kernel, output = math.prod(windows.kernel), math.prod(windows.output)
    if input.dim() != 3 or input.shape[1] == 0 or input.shape[1] % kernel:
        raise RuntimeError(f"expected (N, C·K, L) or (C·K, L) with K = {kernel}, got {tuple(input.shape)}")
    if input.shape[2] != output:
        raise RuntimeError(f"an image {windows.size} has {output} windows, but got {input.shape[2]} columns")
    channels = input.shape[1] // kernel
    return fold_columns(input.reshape(input.shape[0], channels, *windows.kernel, *windows.output), windows)
