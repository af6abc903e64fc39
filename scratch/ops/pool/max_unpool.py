"""Max-unpooling: the maxima put back where they were found, and 0 everywhere else.

Shapes:     x (N, C, *L)   index (N, C, *L)   y (N, C, *S),   S = (L − 1) s + k − 2p unless output_size says otherwise
Formula:    y[j[l]] = x[l],   j the places in the flattened y that max-pooling returns; the others 0      (1)
Tangent:    (1) itself.
Adjoint:    x̄[l] = ȳ[j[l]]                                                                                (2)
Saved:      index.
Kinks:      where two have the same place the last one stands in y, though by (2) all get the gradient, as in PyTorch.
Errors:     ValueError for an output_size that no pooling with these options would have come from; RuntimeError for
            places outside y and for shapes that do not fit.
Reference:  torch.nn.functional.max_unpool1d, max_unpool2d, max_unpool3d. Differs: nothing.
Source:     Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid and high level feature learning (2011).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scratch.ops.conv.window import Sizes, pair
from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.function import Function
from scratch.ops.core.layout import keeps_channels_last


class MaxUnpoolFn(Function):
    @staticmethod
    def forward(x, index, size):
        y = x.new_zeros(*x.shape[:2], math.prod(size))
        return y.scatter(2, index.flatten(2), x.flatten(2)).view(*x.shape[:2], *size)  # (1); refuses places outside y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        (index,) = ctx.saved_tensors
        flat = grad.reshape(*index.shape[:2], grad.shape[2:].numel())
        return flat.gather(2, index.flatten(2)).view(index.shape), None, None  # (2)


@keeps_channels_last
def max_unpool(
    dims: int, x: Tensor, index: Tensor, kernel, stride, padding, output_size: Sequence[int] | None
) -> Tensor:
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
        return MaxUnpoolFn.apply(x[:, None], index[:, None], size).squeeze(1)
    return MaxUnpoolFn.apply(x, index, size)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place. See the module's page."""
    return max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place. See the module's page."""
    return max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """What max-pooling with these options took from y, back in its place. See the module's page."""
    return max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
