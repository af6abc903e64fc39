"""torch.nn.functional.pad: its signature and what it refuses. The mathematics is in scratch/ops/conv/pad.py."""

from torch import Tensor

from scratch.ops.conv.pad import amounts
from scratch.ops.conv.pad import pad as padded
from scratch.ops.conv.window import Sizes
from scratch.ops.core.dtype import autocast_wide
from scratch.ops.core.layout import keeps_channels_last

in_order, contiguously = keeps_channels_last(2, 3)(padded), keeps_channels_last()(padded)  # torch's, by the mode


def pad(input: Tensor, pad: Sizes, mode: str = "constant", value: float | None = None) -> Tensor:
    """More of the last dimensions, by ``pad`` = (left, right, top, bottom, ...). See scratch/ops/conv/pad.py."""
    check(input, pad, mode, value)
    if mode == "replicate" or (mode == "reflect" and len(pad) < 6):
        (input,) = autocast_wide(input, gpu=False)
    laid_out = contiguously if mode == "circular" else in_order
    return laid_out(input, pad, mode, 0 if value is None else value)


def check(x: Tensor, padding: Sizes, mode: str, value: float | None) -> None:
    if len(padding) % 2 or len(padding) > 2 * x.dim():
        raise RuntimeError(f"pad must be pairs, one for each of at most {x.dim()} dimensions, but got {padding}")
    if mode == "constant":
        return
    if value:
        raise RuntimeError(f"padding mode {mode!r} takes no value, but got {value}")
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"padding mode {mode!r}: legal are constant, reflect, replicate, circular")
    dims = len(padding) // 2
    if not 1 <= dims <= 3 or x.dim() - dims not in (1, 2):
        raise NotImplementedError(f"mode {mode!r} pads the last 1, 2 or 3 dimensions of (C, ...) or (N, C, ...)")
    if mode != "circular" and 0 in x.shape[x.dim() - dims - 1 :]:
        raise RuntimeError(f"mode {mode!r} takes no empty dimension but the batch, and got {tuple(x.shape)}")
    for axis, (left, right) in enumerate(amounts(padding), start=1):
        size = x.shape[-axis]
        left_over = size + min(left, 0) + min(right, 0)
        limit = {"reflect": size - 1, "circular": left_over, "replicate": max(left, right)}[mode]
        least = 0 if mode == "circular" else 1
        if max(left, right) > limit or size + left + right < least:
            raise RuntimeError(f"padding {left}, {right} in mode {mode!r} does not fit size {size}")
