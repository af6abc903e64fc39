"""What an op does about the type of its numbers."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

NARROW = (torch.float16, torch.bfloat16)
SHORT = (*NARROW, torch.float32)  # what autocast may cast


def widen(x: Tensor) -> Tensor:
    """Sixteen-bit numbers as float32, so that an op of several steps rounds once, at its end."""
    return x.float() if x.dtype in NARROW else x


def wide_type(x: Tensor) -> torch.dtype:
    """The type of widen(x)."""
    return torch.float32 if x.dtype in NARROW else x.dtype


def continuous(x: Tensor) -> bool:
    """Of real or complex numbers, not of whole ones."""
    return x.is_floating_point() or x.is_complex()


def in_one_type(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type of their sum, and if that is of whole numbers in torch's default type."""
    dtype = torch.promote_types(a.dtype, b.dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return a.to(dtype), b.to(dtype)


def narrowed(result: Tensor, *inputs: Tensor) -> Tensor:
    """What was computed from widened inputs, rounded to their type if that is one of sixteen bits. Otherwise the
    result has the type it came in: that of a ratio of whole numbers, or the real one of a complex number's size."""
    dtype = inputs[0].dtype
    for x in inputs[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    return result.to(dtype) if dtype in NARROW else result


def need_floating(dtype: torch.dtype, name: str, or_complex: bool = False) -> None:
    """Refuse integers, with the exception PyTorch raises."""
    if not (dtype.is_floating_point or (or_complex and dtype.is_complex)):
        raise NotImplementedError(f"{name} is not defined for {dtype}")


# Where torch.autocast is on, each op treats its operands as torch's does. They are cast before they are saved, so
# that in the backward no two types meet; the cast itself takes gradients back to the type of the parameters.


def autocast_on(x: Tensor) -> bool:
    """Whether autocast is on for the device of x; there are devices, such as meta, that know none."""
    if not torch._C._is_any_autocast_enabled():  # quick
        return False
    device = x.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """A context in which it is off for the device of x."""
    return torch.autocast(x.device.type, enabled=False) if autocast_on(x) else nullcontext()


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
