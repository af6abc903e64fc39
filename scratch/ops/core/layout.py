"""The order of dimensions in memory: torch's kernels for images leave channels last where they find them last."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(x: Tensor) -> bool:
    """Whether the channels of images or volumes lie next to each other in memory, and nothing else does."""
    return x.dim() in FORMATS and x.stride(1) == 1 and x.stride(-1) == x.shape[1] > 1


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
    for dim in (1, *range(y.dim() - 1, 1, -1), 0):
        expected[dim], stride = stride, stride * y.shape[dim]
    return y if y.stride() == tuple(expected) else y.clone(memory_format=FORMATS[y.dim()])
