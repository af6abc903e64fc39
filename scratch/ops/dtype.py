"""What an op does about the type of its numbers."""

import torch
from torch import Tensor

NARROW = (torch.float16, torch.bfloat16)


def widen(x: Tensor) -> Tensor:
    """Sixteen-bit numbers as float32, so that an op of several steps rounds once, at its end."""
    return x.float() if x.dtype in NARROW else x


def need_floating(dtype: torch.dtype, name: str) -> None:
    """Refuse integers, with the exception PyTorch raises."""
    if not dtype.is_floating_point:
        raise NotImplementedError(f"{name} is not defined for {dtype}")
