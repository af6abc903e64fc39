"""Unfold and fold: the windows of an image as columns, and columns added up to an image.

Shapes:     x (N, C, H, W)   u (N, C·K, L)   for L places of a window of K = kH·kW numbers: kernel, stride s, padding p,
            dilation d as in scratch/ops/pool/pool.py, all in row-major order
Formula:    unfold   u[n, (c, k), l] = x[n, c, s·l + d·k − p],   0 outside                                (1)
            fold     x[n, c, i] = Σ u[n, (c, k), l]   over all k, l with s·l + d·k − p = i               (2)
            Both are linear, and each is the adjoint of the other: fold(unfold(x)) counts every number as often as
            there are windows that have it.
Tangent:    (1) and (2) themselves.
Adjoint:    of (1) is (2), of (2) is (1).
Saved:      nothing but sizes.   Kinks: none.
Errors:     RuntimeError for shapes and numbers that do not fit.
Reference:  torch.nn.functional.unfold (im2col) and fold (col2im). Differs: they take integers, too.
"""

import math
from typing import NamedTuple

from torch import Tensor

from scratch.ops.conv.pad import constant_pad
from scratch.ops.conv.window import Sizes, add_windows, output_sizes, pair
from scratch.ops.core.function import Function

Ints = tuple[int, ...]


class Windows(NamedTuple):
    size: Ints  # (H, W)
    output: Ints  # so many windows
    kernel: Ints
    stride: Ints
    padding: Ints  # for `constant_pad`
    dilation: Ints


class UnfoldFn(Function):
    @staticmethod
    def forward(x, g):
        x = constant_pad(x, g.padding)
        for axis, (k, s, d) in enumerate(zip(g.kernel, g.stride, g.dilation, strict=True), start=2):
            x = x.unfold(axis, d * (k - 1) + 1, s)  # (N, C, *output so far, ..., *kernel so far)
            x = x[..., ::d] if d > 1 else x
        columns = x.shape[1] * math.prod(g.kernel), math.prod(g.output)
        return x.permute(0, 1, 4, 5, 2, 3).reshape(x.shape[0], *columns)  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.windows = inputs

    @staticmethod
    def backward(ctx, grad):
        return FoldFn.apply(grad, ctx.windows), None


class FoldFn(Function):
    @staticmethod
    def forward(u, g):
        left, right, top, bottom = g.padding
        height, width = g.size[0] + top + bottom, g.size[1] + left + right
        channels = u.shape[1] // math.prod(g.kernel)
        x = u.reshape(u.shape[0], channels, *g.kernel, *g.output)
        x = add_windows(x.permute(0, 1, 4, 3, 2, 5), 3, 2, height, g.stride[0], g.dilation[0])  # (N, C, K, H, L)
        x = add_windows(x.permute(0, 1, 4, 3, 2), 3, 2, width, g.stride[1], g.dilation[1])
        return constant_pad(x, [-amount for amount in g.padding])  # (2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.windows = inputs

    @staticmethod
    def backward(ctx, grad):
        return UnfoldFn.apply(grad, ctx.windows), None


def windows(size: Sizes, kernel, stride, padding, dilation) -> Windows:
    """The windows of an image of this size; refuses what torch refuses."""
    kernel, stride, padding, dilation = (pair(value) for value in (kernel, stride, padding, dilation))
    if not len(kernel) == len(stride) == len(padding) == len(dilation) == len(size) == 2:
        raise RuntimeError("sizes, kernel_size, stride, padding and dilation need 1 or 2 numbers")
    if min(*kernel, *stride, *dilation) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive, padding {padding} not negative"
        )
    padded = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    output = output_sizes(padded, kernel, stride, dilation)
    if min(output) <= 0:
        raise RuntimeError(
            f"the kernel {kernel} with dilation {dilation} is larger than the padded image {tuple(padded)}"
        )
    top, left = padding
    return Windows(tuple(size), output, kernel, stride, (left, left, top, top), dilation)


def unfold(
    input: Tensor,
    kernel_size: int | Sizes,
    dilation: int | Sizes = 1,
    padding: int | Sizes = 0,
    stride: int | Sizes = 1,
) -> Tensor:
    """The windows of x (N, C, H, W) or (C, H, W) as columns (N, C·K, L) or (C·K, L). See the module's page."""
    if input.dim() == 3:
        return unfold(input[None], kernel_size, dilation, padding, stride)[0]
    if input.dim() != 4 or 0 in input.shape[1:]:
        raise RuntimeError(f"expected (N, C, H, W) or (C, H, W), not empty but for N, got {tuple(input.shape)}")
    return UnfoldFn.apply(input, windows(input.shape[2:], kernel_size, stride, padding, dilation))


def fold(
    input: Tensor,
    output_size: int | Sizes,
    kernel_size: int | Sizes,
    dilation: int | Sizes = 1,
    padding: int | Sizes = 0,
    stride: int | Sizes = 1,
) -> Tensor:
    """Columns (N, C·K, L) or (C·K, L), added where `unfold` reads them. See the module's page."""
    if input.dim() == 2:
        return fold(input[None], output_size, kernel_size, dilation, padding, stride)[0]
    g = windows(pair(output_size), kernel_size, stride, padding, dilation)
    if input.dim() != 3 or input.shape[1] == 0 or input.shape[1] % math.prod(g.kernel):
        raise RuntimeError(f"expected (N, C·K, L) or (C·K, L) with K = {math.prod(g.kernel)}, got {tuple(input.shape)}")
    if input.shape[2] != math.prod(g.output):
        raise RuntimeError(f"an image {g.size} has {math.prod(g.output)} windows, but got {input.shape[2]} columns")
    return FoldFn.apply(input, g)
