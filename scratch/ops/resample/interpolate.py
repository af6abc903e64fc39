"""Interpolation: an image at another size, one axis after the other.

Shapes:     x (N, C, *S)   y (N, C, *O), with O given, or ⌊S · scale_factor⌋
Formula:    along an axis of n numbers, resampled to o, each is a weighted sum of T neighbours:
            y[i] = Σ_t w[i, t] x[j[i, t]],   around the place p(i) in x where i stands                      (1)
            p(i) = r i,                r = (n − 1) / (o − 1)   with align_corners: the corners stay corners
            p(i) = r (i + ½) − ½,      r = n / o, or 1 / scale_factor unless that is recomputed: the edges stay
            nearest        j = ⌊r i⌋
            nearest-exact  j = ⌊p + ½⌋
            linear         j = ⌊p⌋, ⌊p⌋ + 1 with w = 1 − λ, λ,   λ = p − ⌊p⌋;   p clamped to the image; also called
                           bilinear, trilinear
            bicubic        four neighbours, w = k(−1 − λ), k(−λ), k(1 − λ), k(2 − λ) by Keys' cubic k, a = −¾    (2)
            area           adaptive average pooling: see scratch/ops/pool/adaptive_pool.py
            antialias      all neighbours under the kernel, stretched r times where that shrinks the image:
                           w ∝ k((j + ½ − r (i + ½)) / max(r, 1)), with sum 1                               (3)
                           for the triangle (bilinear), Keys' cubic with a = −½ (bicubic) and Lanczos' sinc (lanczos)
            Neighbours outside the image are its border.
            Of uint8 images each axis, the last first, gives whole numbers from 0 to 255 again, from weights that are
            multiples of 2⁻ᵖ, with the largest p ≤ 22 for which each is less than 2¹⁵ of them: PyTorch's numbers.
Tangent:    ẏ[i] = Σ_t w[i, t] ẋ[j[i, t]]: y is linear in x                                             (4)
Adjoint:    x̄[j] = Σ w[i, t] ȳ[i]  over all i, t with j[i, t] = j: the transposed sparse matrix             (5)
Saved:      nothing but sizes.
Kinks:      none.
Errors:     see scratch/nn/functional/resample.py.
Reference:  torch.nn.functional.interpolate. Differs: all integers with the nearest modes. Where ⌊…⌋ falls
            just on a whole number some of torch's kernels (channels last, or the backward) round the other way, and
            its antialiased forward leaves an axis alone that a scale factor near 1 keeps at its size, though its
            backward does not; here forward and backward are always of one piece. Under antialias an infinity may
            become NaN.
Source:     Keys, Cubic convolution interpolation for digital image processing (1981); Duchon, Lanczos filtering in
            one and two dimensions (1979).
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.core.function import Function

RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos": 3}  # of the kernels k


class Axis(NamedTuple):
    """All the numbers along one axis."""

    n: int
    o: int
    mode: str
    align: bool
    factor: float | None  # the scale factor to be used as given
    antialias: bool

    @property
    def ratio(self) -> float:
        """r"""
        if self.align:
            return (self.n - 1) / (self.o - 1) if self.o > 1 else 0.0
        return 1 / self.factor if self.factor else self.n / self.o


def inner(x: Tensor, a: float) -> Tensor:
    """Keys' k up to 1 from its centre, where it is 1; it is 0 at all other whole numbers, and smooth."""
    x = x.abs()
    return ((a + 2) * x - (a + 3)) * x * x + 1


def outer(x: Tensor, a: float) -> Tensor:
    """Keys' k from 1 to 2; beyond it is 0."""
    x = x.abs()
    return ((x - 5) * x + 8) * x * a - 4 * a


def cubic(x: Tensor, a: float) -> Tensor:
    return torch.where(x.abs() <= 1, inner(x, a), torch.where(x.abs() < 2, outer(x, a), 0))


def sinc(x: Tensor) -> Tensor:
    x = math.pi * torch.where(x == 0, 1e-20, x)
    return x.sin() / x


def kernel(mode: str, x: Tensor) -> Tensor:
    """k of (3)."""
    if mode == "bilinear":
        return (1 - x.abs()).clamp(min=0)
    return cubic(x, -0.5) if mode == "bicubic" else torch.where(x.abs() < 3, sinc(x) * sinc(x / 3), 0)


def taps(axis: Axis, like: Tensor) -> tuple[Tensor, Tensor | None]:
    """(1): j and w (o, T); w is None where it is 1. Places in an image of whole numbers are in single precision."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    r = torch.full((), axis.ratio, dtype=dtype, device=like.device)
    i = torch.arange(axis.o, dtype=dtype, device=like.device)
    p = r * i if axis.align or axis.mode == "nearest" else r * (i + 0.5) - 0.5
    last = axis.n - 1
    if axis.antialias:
        stretch = max(axis.ratio, 1.0)
        radius, center = RADIUS[axis.mode] * stretch, r * (i + 0.5)
        begin = (center - radius + 0.5).long().clamp(min=0)[:, None]
        end = (center + radius + 0.5).long().clamp(max=axis.n)[:, None]
        j = begin + torch.arange(2 * math.ceil(radius) + 1, device=like.device)
        w = kernel(axis.mode, (j + 0.5 - center[:, None]) / stretch).masked_fill(j >= end, 0)
        return j.clamp(max=last), w / w.sum(1, keepdim=True)
    if axis.mode.startswith("nearest"):
        p = p if axis.mode == "nearest" else p.clamp(min=0) + 0.5
        return p.float().floor().long().clamp(max=last)[:, None], None
    p = p if axis.mode == "bicubic" else p.clamp(min=0)
    if axis.n == axis.o and axis.mode != "bicubic":
        p = i  # as torch, whatever the scale factor
    j = p.floor().long().clamp(max=last)[:, None]
    part = (p[:, None] - j).clamp(0, 1)  # λ
    if axis.mode != "bicubic":
        return torch.cat([j, (j + 1).clamp(max=last)], 1), torch.cat([1 - part, part], 1)
    t = torch.arange(-1, 3, device=like.device)
    return (j + t).clamp(0, last), cubic(t - part, -0.75)  # (2)


def column(w: Tensor, axis: int, x: Tensor) -> Tensor:
    """w (o,) along an axis of x."""
    return w.view(-1, *(1 for _ in x.shape[axis + 1 :]))


def along(axis: int, x: Tensor, j: Tensor, w: Tensor | None) -> Tensor:
    """(1) along one axis."""
    parts = [x.index_select(axis, each) for each in j.unbind(1)]
    if w is not None:
        parts = [column(weight, axis, x) * part for weight, part in zip(w.unbind(1), parts, strict=True)]
    return reduce(torch.add, parts)


def back_along(axis: int, y_bar: Tensor, j: Tensor, w: Tensor | None, n: int) -> Tensor:
    """(5) along one axis."""
    size = list(y_bar.shape)
    size[axis] = n
    x_bar = y_bar.new_zeros(size)
    for t, each in enumerate(j.unbind(1)):
        x_bar = x_bar.index_add(axis, each, y_bar if w is None else column(w[:, t], axis, y_bar) * y_bar)
    return x_bar


class ResampleFn(Function):
    @staticmethod
    def value(x, axes):
        for axis, options in enumerate(axes, start=2):
            x = along(axis, x, *taps(options, x))  # (1)
        return x

    @staticmethod
    def tangent(x_dot, axes):
        return ResampleFn.value(x_dot, axes)  # (4)

    @staticmethod
    def adjoint(y_bar, axes):
        for axis, options in enumerate(axes, start=2):
            y_bar = back_along(axis, y_bar, *taps(options, y_bar), options.n)  # (5)
        return y_bar


def resample(x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """x (N, C, *S) at another size. See the module's page."""
    return ResampleFn.apply(x, tuple(axes))


def resample_bytes(x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The same for an image of uint8, which has no gradient."""
    y = x.double()
    for axis, options in reversed([*enumerate(axes, start=2)]):
        if options.n == options.o:
            continue  # as torch, whatever the scale factor
        j, w = taps(options, y)
        if w is not None:
            same = j[:, :, None] == j[:, None, :]  # border pixels stand in for several: once, with the sum of weights
            w = (same * w[:, None]).sum(2).masked_fill(same.tril(-1).any(2), 0)
            fits = (w.max() * 2 ** torch.arange(1, 23, device=w.device) + 0.5).floor() < 2**15
            unit = 2 ** fits.sum()
            w = (w * unit + w.sign() / 2).trunc() / unit
        y = (along(axis, y, j, w) + 0.5).floor().clamp(0, 255)
    return y.to(x.dtype)
