"""Shuffles: the same numbers in another order of dimensions.

Formula:    pixel_shuffle    y[c, r·h + i, r·w + j] = x[(c, i, j), h, w]:  (…, C·r², H, W) → (…, C, r·H, r·W)     (1)
            pixel_unshuffle  the inverse                                                                     (2)
            channel_shuffle  y[(i, g)] = x[(g, i)], where channel (g, i) is the i-th of group g of G             (3)
Tangent:    (1), (2), (3) themselves: they copy numbers.
Adjoint:    a permutation's transpose is its inverse. All three are made of views (split a dimension, permute, join
            dimensions), whose adjoints are the views back.
Errors:     RuntimeError for dimensions that cannot be split.
Reference:  torch.nn.functional.pixel_shuffle, pixel_unshuffle, channel_shuffle. Differs: nothing.
Source:     Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel convolutional
            neural network (2016); Zhang, Zhou, Lin and Sun, ShuffleNet (2018).
"""

import torch
from torch import Tensor

from scratch.ops.core.layout import keeps_channels_last


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


@keeps_channels_last
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(1)"""
    batch, (channels, height, width), r = input.shape[:-3], image(input), upscale_factor
    channels = divide("channels", divide("channels", channels, r), r)
    x = input.reshape(*batch, channels, r, r, height, width).movedim((-4, -3), (-3, -1))
    return copied(x).view(*batch, channels, height * r, width * r)


@keeps_channels_last
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(2)"""
    batch, (channels, height, width), r = input.shape[:-3], image(input), downscale_factor
    height, width = divide("height", height, r), divide("width", width, r)
    x = input.reshape(*batch, channels, height, r, width, r).movedim((-3, -1), (-4, -3))
    return copied(x).view(*batch, channels * r * r, height, width)


@keeps_channels_last
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(3) for x (N, C, *S), or of any three dimensions."""
    if input.dim() < 3:
        raise RuntimeError(f"expected (N, C, *S), but got {tuple(input.shape)}")
    x = input.unflatten(1, (groups, divide("channels", input.shape[1], groups)))
    return copied(x.transpose(1, 2)).flatten(1, 2)


def copied(x: Tensor) -> Tensor:
    """In order, and never the memory of the input, even if nothing moves: who writes into it does not change that."""
    return x.clone(memory_format=torch.contiguous_format)
