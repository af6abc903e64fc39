"""torch.nn.functional's dropout: its signatures and what it refuses. The mathematics is in scratch/ops/dropout.py."""

from torch import Tensor

from scratch.ops.core.elementwise import inplace_on
from scratch.ops.core.warning import warn
from scratch.ops.dropout import dropout as masked


def dropped(x: Tensor, p: float, training: bool, inplace: bool, channels: bool = False, alpha: bool = False) -> Tensor:
    """x with a fresh mask for each number, or for each channel."""
    if p < 0 or p > 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but is {p}")
    if p == 0 or not training or x.numel() == 0:
        return x
    if channels and x.dim() < 2:
        raise RuntimeError(f"whole channels are dropped of at least 2 dimensions, but got {x.dim()}")
    output = masked(x, p, channels, alpha)
    return inplace_on(x, output) if inplace else output


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x m with a fresh random mask m."""
    return dropped(input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L)."""
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d takes 2 or 3 dimensions, but got {input.dim()}")
    return without_batch(input, 2, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, H, W)."""
    if input.dim() != 4:
        warn(f"dropout2d takes 4 dimensions: {input.dim()} are read as (N, C, …)", stacklevel=2)
    return dropped(input, p, training, inplace, channels=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if input.dim() not in (4, 5):
        warn(f"dropout3d takes 4 or 5 dimensions: {input.dim()} are read as (C, …)", stacklevel=2)
    return without_batch(input, input.dim() if input.dim() != 5 else 4, p, training, inplace)


def without_batch(x: Tensor, dims: int, p: float, training: bool, inplace: bool) -> Tensor:
    """An x of so many dimensions has channels as its first."""
    if x.dim() != dims:
        return dropped(x, p, training, inplace, channels=True)
    return dropped(x[None], p, training, inplace, channels=True)[0]


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """x m + b, which keeps mean 0 and variance 1."""
    return dropped(input, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return dropped(input, p, training, inplace, channels=True, alpha=True)
