"""torch.nn.functional's interpolation, sampling and shuffling: their signatures and what they refuse.

The mathematics is in scratch/ops/resample/.
"""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from scratch.nn.functional.pool import adaptive_avg_pool
from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.layout import keeps_channels_last
from scratch.ops.core.warning import warn
from scratch.ops.resample.grid_sample import affine_grid as moved_grid
from scratch.ops.resample.grid_sample import grid_sample as sampled
from scratch.ops.resample.interpolate import RADIUS, Axis, resample, resample_bytes
from scratch.ops.resample.shuffle import channel_shuffle as channels_shuffled
from scratch.ops.resample.shuffle import pixel_shuffle as pixels_shuffled
from scratch.ops.resample.shuffle import pixel_unshuffle as pixels_unshuffled

DIMENSIONS = {  # what each mode takes
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
    "lanczos": (2,),
}


@keeps_channels_last(2, 3)
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x (N, C, *S) at another size. See scratch/ops/resample/interpolate.py."""
    dims = input.dim() - 2
    check(dims, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    factors: Sequence[float | None] = [None] * dims
    if scale_factor is not None:
        factors = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * dims
        output = [int(n * factor) for n, factor in zip(input.shape[2:], factors, strict=True)]  # type: ignore[operator]
    else:
        output = list(size) if isinstance(size, Sequence) else [size] * dims  # type: ignore[list-item]
    if mode == "area":
        return adaptive_avg_pool(dims, input, output)
    if min(*output, *input.shape[1:]) <= 0:
        raise RuntimeError(f"only the batch may be empty, but got {tuple(input.shape)} and the output size {output}")
    if max(output) >= 2**63:
        raise RuntimeError(f"the output size {output} is beyond all memory")
    if recompute_scale_factor:
        factors = [None] * dims
    options = zip(input.shape[2:], output, factors, strict=True)
    axes = tuple(Axis(n, o, mode, bool(align_corners), factor, antialias) for n, o, factor in options)
    if not mode.startswith("nearest"):
        if input.dtype is torch.uint8 and dims == 2:
            return resample_bytes(input, axes)
        need_floating(input.dtype, f"interpolation with mode {mode!r}")
    return resample(input, axes)


def check(dims: int, size, scale_factor, mode: str, align_corners, recompute_scale_factor, antialias: bool) -> None:
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"align_corners does not go with mode {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("give either size or scale_factor")
    if isinstance(size, Sequence) and len(size) != dims:
        raise ValueError(f"size {size} needs 1 or {dims} numbers")
    if isinstance(scale_factor, Sequence) and len(scale_factor) != dims:
        raise ValueError(f"scale_factor {scale_factor} needs 1 or {dims} numbers")
    if size is not None and any(not isinstance(n, Integral) for n in (size if isinstance(size, Sequence) else [size])):
        raise TypeError(f"size must be whole numbers, but is {size}")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor goes with scale_factor only")
    if antialias and (mode not in RADIUS or dims != 2):
        raise ValueError(f"antialias goes with {', '.join(RADIUS)} of images only, but got mode {mode!r}")
    if dims not in DIMENSIONS.get(mode, ()):
        raise NotImplementedError(
            f"mode {mode!r} for {dims} dimensions: legal are "
            + ", ".join(name for name, legal in DIMENSIONS.items() if dims in legal)
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("mode 'lanczos' needs antialias=True and no align_corners")


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """x (N, C, *S) read at the places of grid (N, *O, d). See scratch/ops/resample/grid_sample.py."""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"mode {mode!r}: legal are bilinear, nearest, bicubic")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"padding_mode {padding_mode!r}: legal are zeros, border, reflection")
    if align_corners is None:
        warn("grid_sample has align_corners=False unless told otherwise", stacklevel=2)
    dims, align = input.dim() - 2, bool(align_corners)
    if dims not in (2, 3) or grid.dim() != input.dim() or grid.shape[0] != input.shape[0] or grid.shape[-1] != dims:
        raise RuntimeError(
            f"expected (N, C, H, W) and (N, H', W', 2), or (N, C, D, H, W) and (N, D', H', W', 3), "
            f"but got {tuple(input.shape)} and {tuple(grid.shape)}"
        )
    if 0 in input.shape[2:] or (mode == "bicubic" and dims == 3):
        raise RuntimeError(
            f"an input {tuple(input.shape)} is empty, or of 3 dimensions, which mode bicubic does not take"
        )
    need_floating(input.dtype, "grid_sample")
    input, grid = autocast_wide(input, grid, gpu=False)
    if input.dtype != grid.dtype:
        raise RuntimeError(f"input and grid must have one type, but have {input.dtype} and {grid.dtype}")
    return sampled(input, grid, mode, padding_mode, align)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid (N, *O, d) for an output (N, C, *O) of this size, each place moved by θ."""
    if align_corners is None:
        warn("affine_grid has align_corners=False unless told otherwise", stacklevel=2)
    if not theta.is_floating_point():
        raise ValueError(f"theta must be of a floating type, but is {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(f"size must be (N, C, H, W) or (N, C, D, H, W), but is {tuple(size)}")
    if theta.dim() != 3 or theta.shape[1:] != (dims, dims + 1):
        raise ValueError(f"theta must be (N, {dims}, {dims + 1}) for size {tuple(size)}, but is {tuple(theta.shape)}")
    if min(size) <= 0:
        raise ValueError(f"size must be positive, but is {tuple(size)}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(f"{theta.shape[0]} maps for a batch of {size[0]}")
    if align_corners and 1 in size[2:]:
        warn("with align_corners an axis of one number stands at 0, the centre", stacklevel=2)
    return moved_grid(theta, size[2:], bool(align_corners))


def divide(what: str, size: int, by: int) -> int:
    """size / by, if that is a whole number."""
    if not isinstance(by, int):
        raise TypeError(f"{what} can be divided by a whole number only, not by {by}")
    if by <= 0 or size % by:
        raise RuntimeError(f"{what}: {size} cannot be divided by {by}")
    return size // by


def image(x: Tensor) -> tuple[int, int, int]:
    """C, H, W"""
    if x.dim() < 3:
        raise RuntimeError(f"expected (…, C, H, W), but got {tuple(x.shape)}")
    channels, height, width = x.shape[-3:]
    return channels, height, width


@keeps_channels_last(2, 3)
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(…, C·r², H, W) to (…, C, r·H, r·W), with r the factor."""
    channels, _, _ = image(input)
    divide("channels", divide("channels", channels, upscale_factor), upscale_factor)
    return pixels_shuffled(input, upscale_factor)


@keeps_channels_last(2, 3)
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(…, C, r·H, r·W) to (…, C·r², H, W), with r the factor."""
    _, height, width = image(input)
    divide("height", height, downscale_factor)
    divide("width", width, downscale_factor)
    return pixels_unshuffled(input, downscale_factor)


@keeps_channels_last(2, 3)
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """x (N, C, *S), or of any three dimensions, with the first channels of all groups first, then the second ones."""
    if input.dim() < 3:
        raise RuntimeError(f"expected (N, C, *S), but got {tuple(input.shape)}")
    divide("channels", input.shape[1], groups)
    return channels_shuffled(input, groups)
