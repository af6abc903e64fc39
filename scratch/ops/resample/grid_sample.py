"""Spatial transformers: an image read at any places, and the places that an affine map gives.

Shapes:     x (N, C, *S)   grid (N, *O, d), the place in x that each number of y comes from, x-coordinate first, where
            −1 and 1 are the borders of the image   y (N, C, *O)   θ (N, d, d + 1);   d = 2 or 3 dimensions
Formula:    along each axis of n numbers the coordinate g becomes the place
            p = (g + 1)/2 · (n − 1) with align_corners, else ((g + 1) n − 1)/2,                            (1)
            clamped to the image for padding_mode border, reflected at its borders for reflection, and
            y[o] = Σ_t w_t(p) x[j_t],   w_t the product over the axes of those in interpolate.py   (2)
            (nearest, linear, bicubic). Numbers outside the image are 0 for zeros; bicubic pads its neighbours.
            affine_grid: grid[o] = θ (e, 1), with e the places of an image's own numbers by (1)             (3)
Tangent:    ṗ = p′(g) ġ   (4)     ẏ[o] = Σ_t w_t ẋ[j_t] + Σ_t Σ_a ∂w_t/∂p_a x[j_t] ṗ_a   (5)
            the grid's tangent is θ̇ (e, 1)                                                             (6)
Adjoint:    x̄[j] = Σ w_t ȳ[o]   over all o, t with j_t = j                                              (7)
            p̄_a[o] = Σ_ct ȳ[o] x[j_t] ∂w_t/∂p_a   (8)     ḡ = p′(g) p̄   (9)
            θ̄ = Σ_o ȳ[o] (e, 1)ᵀ,   ȳ the gradient of the grid                                          (10)
Saved:      x, p, grid.   Recomputed: w and j.
Kinks:      on a pixel: what is to the right. Clamped: slope 0, on the border itself, too. Nearest:
            halves go to the even pixel, and the grid gets the gradient 0.
Errors:     see scratch/nn/functional/resample.py.
Reference:  torch.nn.functional.grid_sample and affine_grid. Differs: second derivatives exist; NaN in the grid gives
            NaN or 0.
Source:     Jaderberg, Simonyan, Zisserman and Kavukcuoglu, Spatial transformer networks (2015).
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast, widen
from scratch.ops.core.function import Function
from scratch.ops.resample.interpolate import inner, outer

CUBIC = -0.75  # a of Keys' cubic k


def inner_slope(x: Tensor, a: float) -> Tensor:
    """The derivative of `inner`."""
    return (3 * (a + 2) * x.abs() - 2 * (a + 3)) * x


def outer_slope(x: Tensor, a: float) -> Tensor:
    """The derivative of `outer`."""
    return ((3 * x.abs() - 10) * x.abs() + 8) * a * x.sign()


def reflected(p: Tensor, n: int, align: bool) -> tuple[Tensor, Tensor]:
    """p reflected at the borders, until it is between them, and the slope ±1 of that."""
    low, span = (0.0, n - 1) if align else (-0.5, n)
    if span == 0:
        return torch.zeros_like(p), torch.zeros_like(p)
    away = (p - low).abs()
    turns, rest = (away / span).floor(), away.fmod(span)
    even = turns % 2 == 0
    slope = torch.where(p < low, -1, 1) * torch.where(even, 1, -1)
    return torch.where(even, rest, span - rest) + low, slope.to(p.dtype)


def place(g: Tensor, n: int, padding: str, align: bool) -> tuple[Tensor, Tensor]:
    """(1): p and its slope p′."""
    scale = (n - 1) / 2 if align else n / 2
    p = (g + 1) * scale if align else (g + 1) * scale - 0.5
    slope = torch.full_like(p, scale)
    if padding == "reflection":
        p, turned = reflected(p, n, align)
        slope = slope * turned
    if padding != "zeros":
        slope = torch.where((p > 0) & (p < n - 1), slope, 0)
        p = p.clamp(0, n - 1)
    return p, slope


class PlaceFn(Function):
    """(1) for all axes; sizes is that of x, last axis first as the coordinates."""

    outputs = ("p",)

    @staticmethod
    def value(grid, sizes, padding, align):
        return torch.stack([p for p, _ in places(grid, sizes, padding, align)], -1)  # (1)

    @staticmethod
    def tangent(grid_dot, grid, sizes, padding, align):
        return slopes(grid, sizes, padding, align) * grid_dot  # (4)

    @staticmethod
    def adjoint(p_bar, grid, sizes, padding, align):
        return slopes(grid, sizes, padding, align) * p_bar  # (9)


def places(grid: Tensor, sizes: Sequence[int], padding: str, align: bool) -> list[tuple[Tensor, Tensor]]:
    """p and p′ of each axis."""
    return [place(g, n, padding, align) for g, n in zip(grid.unbind(-1), sizes, strict=True)]


def slopes(grid: Tensor, sizes: Sequence[int], padding: str, align: bool) -> Tensor:
    """p′ of all axes."""
    return torch.stack([slope for _, slope in places(grid, sizes, padding, align)], -1)


def taps(p: Tensor, n: int, mode: str, padding: str, align: bool) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Along one axis the neighbours of p: their places j, weights w, and slopes ∂w/∂p."""
    j = p.round() if mode == "nearest" else p.floor()
    part, one = p - j, torch.ones_like(p)
    if mode == "nearest":
        found = [(j, one, 0 * one)]
    elif mode == "bilinear":
        found = [(j, 1 - part, -one), (j + 1, part, one)]
    else:
        kernels = [(outer, outer_slope), (inner, inner_slope), (inner, inner_slope), (outer, outer_slope)]
        found = [(j + t, k(t - part, CUBIC), -slope(t - part, CUBIC)) for t, (k, slope) in enumerate(kernels, start=-1)]
    result = []
    for j, w, slope in found:
        if padding == "zeros":
            inside = (j >= 0) & (j < n)
            w, slope = torch.where(inside, w, 0), torch.where(inside, slope, 0)
        elif padding == "reflection" and mode == "bicubic":
            j, _ = reflected(j, n, align)
        result.append((j.nan_to_num(0).clamp(0, n - 1).long(), w, slope))
    return result


def neighbours(p: Tensor, size: Sequence[int], *options) -> Iterator[tuple[Tensor, list[Tensor], list[Tensor]]]:
    """For p (N, O, d), one neighbour after the other: its place in the flattened x (N, 1, O), and w and ∂w/∂p along
    each axis, in the order of the coordinates."""
    sizes = list(reversed(size))
    axes = [taps(each, n, *options) for each, n in zip(p.unbind(-1), sizes, strict=True)]
    for combination in product(*axes):
        index, step = torch.zeros_like(combination[0][0]), 1
        for (j, _, _), n in zip(combination, sizes, strict=True):
            index, step = index + step * j, step * n
        yield index[:, None], [w for _, w, _ in combination], [slope for _, _, slope in combination]


class SampleFn(Function):
    """(2) for x (N, C, *S) and p (N, O, d)."""

    @staticmethod
    def value(x, p, mode, padding, align):
        parts = (together(w) * read(x, j) for j, w, _ in neighbours(p, x.shape[2:], mode, padding, align))
        return reduce(torch.add, parts)  # (2)

    @staticmethod
    def tangent(x_dot, p_dot, x, p, mode, padding, align):
        parts = []
        for j, w, w_slopes in neighbours(p, x.shape[2:], mode, padding, align):
            w_dot = sum(slope * along for slope, along in zip(partial(w, w_slopes), p_dot.unbind(-1), strict=True))
            parts.append(together(w) * read(x_dot, j) + w_dot[:, None] * read(x, j))  # (5)
        return reduce(torch.add, parts)

    @staticmethod
    def adjoint(y_bar, x, p, mode, padding, align):
        return gradients((True, True), y_bar, x, p, mode, padding, align)

    @staticmethod
    def fast_adjoint(needs, y_bar, x, p, mode, padding, align):
        return gradients(needs, y_bar, x, p, mode, padding, align)


def gradients(needs, y_bar, x, p, *options):
    """x̄ and p̄, where they are needed."""
    x_bar, p_bar = torch.zeros_like(x.flatten(2)), torch.zeros_like(p)
    for j, w, w_slopes in neighbours(p, x.shape[2:], *options):
        if needs[0]:
            x_bar = x_bar.scatter_add(2, j.expand(y_bar.shape), together(w) * y_bar)  # (7)
        if needs[1]:
            share = (y_bar * read(x, j)).sum(1)
            p_bar = p_bar + torch.stack([share * slope for slope in partial(w, w_slopes)], -1)  # (8)
    return x_bar.view(x.shape), p_bar


def read(x: Tensor, j: Tensor) -> Tensor:
    """x[j], (N, C, O), for j (N, 1, O)."""
    return x.flatten(2).gather(2, j.expand(-1, x.shape[1], -1))


def together(w: list[Tensor]) -> Tensor:
    """The product of the weights along the axes, (N, 1, O)."""
    return reduce(torch.mul, w)[:, None]


def partial(w: list[Tensor], w_slopes: list[Tensor]) -> list[Tensor]:
    """∂w_t/∂p_a of that product, for each axis a, (N, O)."""
    return [reduce(torch.mul, [*w[:a], slope, *w[a + 1 :]]) for a, slope in enumerate(w_slopes)]


class AffineGridFn(Function):
    """θ, and the places (e, 1) as rows -> the grid."""

    @staticmethod
    def value(theta, places):
        return places @ theta.mT  # (3)

    @staticmethod
    def tangent(theta_dot, places):
        return places @ theta_dot.mT  # (6)

    @staticmethod
    def adjoint(y_bar, places):
        return y_bar.mT @ places  # (10)


def own_places(size: Sequence[int], align: bool, like: Tensor) -> Tensor:
    """(e, 1) for each number of an image (*O), as rows."""
    lines = []
    for n in size:
        i = torch.arange(n, dtype=like.dtype, device=like.device)
        ends = n - 1 if align else n
        lines.append((2 * i + (0 if align else 1)) / max(ends, 1) - (1 if n > 1 else float(not align)))
    axes = torch.meshgrid(*lines, indexing="ij")
    return torch.stack([*reversed(axes), torch.ones_like(axes[0])], -1).flatten(0, -2)


def grid_sample(x: Tensor, grid: Tensor, mode: str, padding: str, align: bool) -> Tensor:
    """x (N, C, *S) read at the places of grid (N, *O, d). See the module's page."""
    of_places = "zeros" if mode == "bicubic" else padding  # bicubic pads each neighbour, the others the place itself
    p = PlaceFn.apply(widen(grid), tuple(reversed(x.shape[2:])), of_places, align)
    y = SampleFn.apply(widen(x), p.flatten(1, -2), mode, padding, align)
    return y.view(*x.shape[:2], *grid.shape[1:-1]).to(x.dtype)


def affine_grid(theta: Tensor, size: Sequence[int], align: bool) -> Tensor:
    """The grid (N, *O, d) for an image (*O), each place moved by θ (N, d, d + 1). See the module's page."""
    grid = AffineGridFn.apply(*autocast(theta, own_places(size, align, theta)))
    return grid.view(theta.shape[0], *size, len(size))
