"""Shuffles: the same numbers in another order of dimensions.

Formula:    pixel_shuffle    y[c, r·h + i, r·w + j] = x[(c, i, j), h, w]:  (…, C·r², H, W) → (…, C, r·H, r·W)     (1)
            pixel_unshuffle  the inverse                                                                     (2)
            channel_shuffle  y[(i, g)] = x[(g, i)], where channel (g, i) is number i of group g of G             (3)
Tangent:    (1), (2), (3) themselves: they copy numbers.
Adjoint:    a permutation's transpose is its inverse: of (1) it is (2), of (2) it is (1), and of (3), G groups of I
            channels, it is (3) with I groups.
Saved:      nothing.
Kinks:      none.
Errors:     see scratch/nn/functional/resample.py.
Reference:  torch.nn.functional.pixel_shuffle, pixel_unshuffle, channel_shuffle. Differs: nothing.
Source:     Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel convolutional
            neural network (2016); Zhang, Zhou, Lin and Sun, ShuffleNet (2018).
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function


def shuffled(x: Tensor, r: int) -> Tensor:
    """(1)"""
    *batch, channels, H, W = x.shape
    C = channels // (r * r)
    return copied(x.reshape(*batch, C, r, r, H, W).movedim((-4, -3), (-3, -1))).view(*batch, C, H * r, W * r)


def unshuffled(y: Tensor, r: int) -> Tensor:
    """(2)"""
    *batch, C, height, width = y.shape
    H, W = height // r, width // r
    return copied(y.reshape(*batch, C, H, r, W, r).movedim((-3, -1), (-4, -3))).view(*batch, C * r * r, H, W)


def channels_shuffled(x: Tensor, G: int) -> Tensor:
    """(3) for x (N, C, …)"""
    return copied(x.unflatten(1, (G, x.shape[1] // G)).transpose(1, 2)).flatten(1, 2)


def copied(x: Tensor) -> Tensor:
    """In order, and never the memory of the input, even if nothing moves: who writes into it does not change that."""
    return x.clone(memory_format=torch.contiguous_format)


class PixelShuffleFn(Function):
    wide = False

    @staticmethod
    def value(x, r):
        return shuffled(x, r)  # (1)

    @staticmethod
    def tangent(x_dot, r):
        return shuffled(x_dot, r)  # (1)

    @staticmethod
    def adjoint(y_bar, r):
        return unshuffled(y_bar, r)  # (2)


class PixelUnshuffleFn(Function):
    wide = False

    @staticmethod
    def value(x, r):
        return unshuffled(x, r)  # (2)

    @staticmethod
    def tangent(x_dot, r):
        return unshuffled(x_dot, r)  # (2)

    @staticmethod
    def adjoint(y_bar, r):
        return shuffled(y_bar, r)  # (1)


class ChannelShuffleFn(Function):
    wide = False

    @staticmethod
    def value(x, G):
        return channels_shuffled(x, G)  # (3)

    @staticmethod
    def tangent(x_dot, G):
        return channels_shuffled(x_dot, G)  # (3)

    @staticmethod
    def adjoint(y_bar, G):
        return channels_shuffled(y_bar, y_bar.shape[1] // G)  # (3)


def pixel_shuffle(x: Tensor, r: int) -> Tensor:
    """(1) for x (…, C·r², H, W)."""
    return PixelShuffleFn.apply(x, r)


def pixel_unshuffle(x: Tensor, r: int) -> Tensor:
    """(2) for x (…, C, r·H, r·W)."""
    return PixelUnshuffleFn.apply(x, r)


def channel_shuffle(x: Tensor, G: int) -> Tensor:
    """(3) for x (N, C, …), in G groups."""
    return ChannelShuffleFn.apply(x, G)
