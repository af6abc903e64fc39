"""The order of dimensions in memory, which is that of torch's kernels: whoever flattens by ``view`` relies on it.

Kernels for images, and some for volumes, leave channels last where they find them last. All other outputs are
contiguous, but for those of functions that act on each number alone, which lie as their inputs lie.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])
BATCHES = (4, 5)  # the dimensions of a batch of images and of one of volumes


def channels_last(x: Tensor) -> bool:
    """Whether the channels of images or volumes lie closest to each other in memory, then the columns, then the rows
    and so on; as torch decides it, also for a part of such a tensor."""
    if x.dim() not in BATCHES:
        return False
    least = 0
    for dim in in_memory(x.dim()):
        stride = x.stride(dim)
        if stride == 0 or stride < least or (dim == 0 and least == x.stride(1)):
            return False
        least = stride * x.shape[dim] if x.shape[dim] > 1 else stride
    return True


def in_memory(dims: int) -> tuple[int, ...]:
    """The dimensions of a tensor with channels last, from the closest to the farthest."""
    return 1, *range(dims - 1, 1, -1), 0


def follow(y: Tensor, *like: Tensor) -> Tensor:
    """y with channels last where it is a batch of images and one of `like` has them last; contiguous elsewhere."""
    last = y.dim() == 4 and any(map(channels_last, like))
    return y if last else y.contiguous()


def ordered(x: Tensor) -> Tensor:
    """x itself where it is a batch of images or volumes with channels last, contiguous elsewhere."""
    return x if channels_last(x) else x.contiguous()


def keeps_channels_last(*dims: int) -> Callable[[F], F]:
    """A decorator: where the input, the first tensor among the arguments, is a batch with so many dimensions in space,
    and its channels lie last, they are last in the outputs, too; elsewhere these are contiguous. A function for any
    number of dimensions in space has that as its first argument."""

    def decorated(function: F) -> F:
        @wraps(function)
        def laid_out(*args: Any, **kwargs: Any) -> Any:
            output = function(*args, **kwargs)
            x = next((arg for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor)), None)
            if x is None or torch._C._are_functorch_transforms_active():
                return output
            space = args[0] if args and isinstance(args[0], int) else x.dim() - 2
            lay = moved if space in dims and x.dim() == space + 2 and channels_last(x) else Tensor.contiguous
            return tuple(map(lay, output)) if isinstance(output, tuple) else lay(output)

        return laid_out  # type: ignore[return-value]

    return decorated


def moved(y: Tensor) -> Tensor:
    order = in_memory(y.dim())[::-1]
    stride, expected = 1, [0] * y.dim()
    for dim in reversed(order):
        expected[dim], stride = stride, stride * y.shape[dim]
    if y.stride() == tuple(expected):
        return y
    return y.permute(order).clone(memory_format=torch.contiguous_format).permute([*map(order.index, range(y.dim()))])
