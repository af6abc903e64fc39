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
            area           adaptive average pooling, scratch/ops/pool/adaptive_pool.py
            antialias      all neighbours under the kernel, stretched r times where that shrinks the image:
                           w ∝ k((j + ½ − r (i + ½)) / max(r, 1)), with sum 1                               (3)
                           for the triangle (bilinear), Keys' cubic with a = −½ (bicubic) and Lanczos' sinc (lanczos)
            Neighbours outside the image are its border.
            Of uint8 images each axis, the last first, gives whole numbers from 0 to 255 again, from weights that are
            multiples of 2⁻ᵖ, with the largest p ≤ 22 for which each is less than 2¹⁵ of them: PyTorch's numbers.
Tangent:    (1) itself: y is linear in x.
Adjoint:    x̄[j] = Σ w[i, t] ȳ[i]  over all i, t with j[i, t] = j: the transposed sparse matrix             (4)
Saved:      nothing but sizes.   Kinks: none.
Errors:     ValueError for options that contradict each other, NotImplementedError for modes and dimensions that do
            not fit, TypeError for sizes that are no whole numbers, RuntimeError for empty images.
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
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.core.dtype import need_floating, widen
from scratch.ops.core.function import Function, numbers_known
from scratch.ops.core.layout import keeps_channels_last
from scratch.ops.pool.adaptive_pool import adaptive_avg_pool

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
    return (j + t).clamp(0, last), cubic(t - part, -0.75)


def column(w: Tensor, axis: int, x: Tensor) -> Tensor:
    """w (o,) along an axis of x."""
    return w.view(-1, *(1 for _ in x.shape[axis + 1 :]))


def along(axis: int, x: Tensor, j: Tensor, w: Tensor | None) -> Tensor:
    """(1)"""
    parts = [x.index_select(axis, each) for each in j.unbind(1)]
    if w is not None:
        parts = [column(weight, axis, x) * part for weight, part in zip(w.unbind(1), parts, strict=True)]
    return reduce(torch.add, parts)


def resampled_bytes(x: Tensor, axes: Sequence[Axis]) -> Tensor:
    y = x.double()
    for axis, options in reversed([*enumerate(axes, start=2)]):
        if options.n == options.o:
            continue  # as torch, whatever the scale factor
        j, w = taps(options, y)
        if w is not None:
            same = j[:, :, None] == j[:, None, :]  # border pixels stand in for several: once, with the sum of weights
            w = (same * w[:, None]).sum(2).masked_fill(same.tril(-1).any(2), 0)
            largest = w.max().item() if numbers_known(w) else 1
            unit = 2 ** next(p for p in range(23) if p == 22 or int(largest * 2 ** (p + 1) + 0.5) >= 2**15)
            w = (w * unit + w.sign() / 2).trunc() / unit
        y = (along(axis, y, j, w) + 0.5).floor_().clamp_(0, 255)
    return y.to(x.dtype)


class ResampleFn(Function):
    @staticmethod
    def forward(x, axes):
        y = widen(x)
        for axis, options in enumerate(axes, start=2):
            y = along(axis, y, *taps(options, y))
        return y.to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.axes = inputs

    @staticmethod
    def backward(ctx, grad):
        x = widen(grad)
        for axis, options in enumerate(ctx.axes, start=2):
            j, w = taps(options, x)
            size = list(x.shape)
            size[axis] = options.n
            total = x.new_zeros(size)
            for t, each in enumerate(j.unbind(1)):
                total = total.index_add(axis, each, x if w is None else column(w[:, t], axis, x) * x)
            x = total
        return x.to(grad.dtype), None  # (4)


@keeps_channels_last
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x (N, C, *S) at another size. See the module's page."""
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
            return resampled_bytes(input, axes)
        need_floating(input.dtype, f"interpolation with mode {mode!r}")
    return ResampleFn.apply(input, axes)


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
