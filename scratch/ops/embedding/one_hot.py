"""One-hot: class number i as a row of zeros with a 1 at place i.

Shapes:     i (…) int   y (…, C) int
No tangent: whole numbers have none.
Errors:     RuntimeError for what is not int64, for a class outside [0, C), and for nothing at all without C.
Reference:  torch.nn.functional.one_hot. Differs: nothing.
"""

import torch
from torch import Tensor

from scratch.ops.core.function import numbers_known


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """(…) to (…, num_classes), which is by default the largest class and 1 more."""
    if input.dtype is not torch.int64:
        raise RuntimeError(f"one_hot takes int64, but got {input.dtype}")
    if num_classes == -1:
        if not input.numel():
            raise RuntimeError("one_hot of nothing needs num_classes")
        num_classes = int(input.max()) + 1
    if num_classes < 1:
        raise RuntimeError(f"num_classes must be at least 1, but is {num_classes}")
    classes = torch.arange(num_classes, device=input.device)
    if numbers_known(input) and input.numel() and not (input.min() >= 0 and input.max() < num_classes):
        raise RuntimeError(f"classes must be in [0, {num_classes})")
    return (input.unsqueeze(-1) == classes).long()
