"""The order of dimensions in memory: torch's kernels for images leave channels last where they find them last."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(x: Tensor) -> bool:
    """Whether the channels of images or volumes lie closest to each other in memory, then the columns, then the rows
    and so on; as torch decides it, also for a part of such a tensor."""
    if x.dim() not in FORMATS:
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


def keeps_channels_last(function: F) -> F:
    """The function, with outputs in the layout of its input, the first tensor among the arguments."""

    @wraps(function)
    def laid_out(*args: Any, **kwargs: Any) -> Any:
        output = function(*args, **kwargs)
        x = next((arg for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor)), None)
        if x is None or not channels_last(x) or torch._C._are_functorch_transforms_active():
            return output
        return tuple(map(moved, output)) if isinstance(output, tuple) else moved(output)

    return laid_out  # type: ignore[return-value]


def moved(y: Tensor) -> Tensor:
    stride, expected = 1, [0] * y.dim()
    for dim in in_memory(y.dim()):
        expected[dim], stride = stride, stride * y.shape[dim]
    return y if y.stride() == tuple(expected) else y.clone(memory_format=FORMATS[y.dim()])
