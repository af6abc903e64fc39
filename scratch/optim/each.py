"""Arithmetic on lists of tensors: ``each.mul_(xs, 2)`` is torch._foreach_mul_(xs, 2), and so on for all of them.

While autograd records, which it does for ``differentiable`` alone, the functions go one tensor after the other and out
of place, and those that end in _ put what they make into the list: nothing that autograd keeps is overwritten, and any
number may be a tensor that it follows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def __getattr__(name: str) -> Callable[..., Any]:
    together = getattr(torch, f"_foreach_{name}")
    if not torch.is_grad_enabled():
        return together
    one = WITH_NUMBERS.get(name.rstrip("_")) or getattr(torch, name.rstrip("_"))

    def recorded(xs: list[Tensor], *args: Any, **kwargs: Any) -> list[Tensor]:
        columns = [arg if isinstance(arg, (list, tuple)) else [arg] * len(xs) for arg in args]
        new = [one(*row, **kwargs) for row in zip(xs, *columns, strict=True)]
        if name.endswith("_"):
            xs[:] = new
        return new

    return recorded


WITH_NUMBERS: dict[str, Callable[..., Tensor]] = {  # for which torch's own takes no tensor that autograd follows
    "add": lambda x, y, alpha=1: x + alpha * y,
    "lerp": lambda x, y, weight: x + weight * (y - x),
    "addcmul": lambda x, y, z, value=1: x + value * y * z,
    "addcdiv": lambda x, y, z, value=1: x + value * y / z,
    "copy": lambda x, y: y.clone(),
}
