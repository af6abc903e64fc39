"""What an op does about the type of its numbers."""

from typing import Any

import torch
from torch import Tensor

NARROW = (torch.float16, torch.bfloat16)
SHORT = (*NARROW, torch.float32)  # what autocast may cast


def widen(x: Tensor) -> Tensor:
    """Sixteen-bit numbers as float32, so that an op of several steps rounds once, at its end."""
    return x.float() if x.dtype in NARROW else x


def need_floating(dtype: torch.dtype, name: str) -> None:
    """Refuse integers, with the exception PyTorch raises."""
    if not dtype.is_floating_point:
        raise NotImplementedError(f"{name} is not defined for {dtype}")


# Where torch.autocast is on, each op treats its operands as torch's does. They are cast before they are saved, so
# that in the backward no two types meet; the cast itself takes gradients back to the type of the parameters.


def autocast_on(x: Tensor) -> bool:
    """Whether autocast is on for the device of x."""
    return torch._C._is_any_autocast_enabled() and torch.is_autocast_enabled(x.device.type)  # the first is quick


def autocast(x: Tensor, *others: Tensor | None) -> tuple[Any, ...]:
    """In autocast's type, where that is on: what products do."""
    if not autocast_on(x):
        return x, *others
    dtype = torch.get_autocast_dtype(x.device.type)
    return tuple(t.to(dtype) if t is not None and t.dtype in SHORT else t for t in (x, *others))


def autocast_wide(x: Tensor, *others: Tensor | None, cpu: bool = True, gpu: bool = True) -> tuple[Any, ...]:
    """In float32, where autocast is on: what long sums do, on the `cpu` or the `gpu` or both, as torch has it."""
    if not autocast_on(x) or not (cpu if x.is_cpu else gpu):
        return x, *others
    return tuple(t if t is None else widen(t) for t in (x, *others))
