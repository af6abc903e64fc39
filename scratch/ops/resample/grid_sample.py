"""Spatial transformers: an image read at any places, and the places that an affine map gives.

Shapes:     x (N, C, *S)   grid (N, *O, d), the place in x that each number of y comes from, x-coordinate first, where
            −1 and 1 are the borders of the image   y (N, C, *O)   θ (N, d, d + 1);   d = 2 or 3 dimensions
Formula:    along each axis of n numbers the coordinate g becomes the place
            p = (g + 1)/2 · (n − 1) with align_corners, else ((g + 1) n − 1)/2,                            (1)
            clamped to the image for padding_mode border, reflected at its borders for reflection, and
            y[o] = Σ_t w_t(p) x[j_t],   w_t the product over the axes of those in interpolate.py   (2)
            (nearest, linear, bicubic). Numbers outside the image are 0 for zeros; bicubic pads its neighbours.
            affine_grid: grid[o] = θ (e, 1), with e the places of an image's own numbers by (1)             (3)
Tangent:    ẏ[o] = Σ_t w_t ẋ[j_t] + Σ_t Σ_a ∂w_t/∂p_a x[j_t] ṗ_a,   ṗ = p′(g) ġ
Adjoint:    x̄[j] = Σ w_t ȳ[o]   over all o, t with j_t = j                                              (4)
            p̄_a[o] = Σ_ct ȳ[o] x[j_t] ∂w_t/∂p_a     ḡ = p′(g) p̄                                          (5)
            θ̄ = Σ_o grid̄[o] (e, 1)ᵀ                                                                     (6)
Saved:      x, p, grid.   Recomputed: w and j.
Kinks:      on a pixel: what is to the right. Clamped: slope 0, on the border itself, too. Nearest:
            halves go to the even pixel, and the grid gets the gradient 0.
Errors:     ValueError for modes, RuntimeError for shapes that do not fit.
Reference:  torch.nn.functional.grid_sample and affine_grid. Differs: second derivatives exist; NaN in the grid gives
            NaN or 0.
Source:     Jaderberg, Simonyan, Zisserman and Kavukcuoglu, Spatial transformer networks (2015).
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast, autocast_wide, need_floating, widen
from scratch.ops.core.function import Function
from scratch.ops.core.warning import warn
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

    @staticmethod
    def forward(grid, sizes, padding, align):
        places = [place(g, n, padding, align)[0] for g, n in zip(grid.unbind(-1), sizes, strict=True)]
        return torch.stack(places, -1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        grid, *ctx.options = inputs
        ctx.save_for_backward(grid)

    @staticmethod
    def backward(ctx, grad):
        (grid,), (sizes, *options) = ctx.saved_tensors, ctx.options
        slopes = [place(g, n, *options)[1] for g, n in zip(grid.unbind(-1), sizes, strict=True)]
        return grad * torch.stack(slopes, -1), None, None, None  # (5)


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


def along(w: list[Tensor]) -> Tensor:
    """The product of the weights along the axes, (N, 1, O)."""
    return reduce(torch.mul, w)[:, None]


class SampleFn(Function):
    """(2) for x (N, C, *S) and p (N, O, d)."""

    @staticmethod
    def forward(x, p, options):
        parts = (
            along(w) * x.flatten(2).gather(2, index.expand(-1, x.shape[1], -1))
            for index, w, _ in neighbours(p, x.shape[2:], *options)
        )
        return reduce(torch.add, parts)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, p, ctx.options = inputs
        ctx.save_for_backward(x, p)

    @staticmethod
    def backward(ctx, grad):
        x, p = ctx.saved_tensors
        needs_x, needs_p, _ = ctx.needs_input_grad
        grad_x = torch.zeros_like(x.flatten(2))
        grad_p = [torch.zeros_like(p[..., 0]) for _ in range(p.shape[-1])]
        for index, w, slopes in neighbours(p, x.shape[2:], *ctx.options):
            index = index.expand(-1, x.shape[1], -1)
            if needs_x:
                grad_x = grad_x.scatter_add(2, index, along(w) * grad)  # (4)
            if needs_p:
                share = (grad * x.flatten(2).gather(2, index)).sum(1)
                for axis, slope in enumerate(slopes):
                    grad_p[axis] = grad_p[axis] + share * reduce(torch.mul, [*w[:axis], slope, *w[axis + 1 :]])  # (5)
        return grad_x.view(x.shape) if needs_x else None, torch.stack(grad_p, -1) if needs_p else None, None


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """x (N, C, *S) read at the places of grid (N, *O, d). See the module's page."""
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
    # bicubic pads each neighbour, the others the place itself
    p = PlaceFn.apply(
        widen(grid), tuple(reversed(input.shape[2:])), "zeros" if mode == "bicubic" else padding_mode, align
    )
    y = SampleFn.apply(widen(input), p.flatten(1, -2), (mode, padding_mode, align))
    return y.view(*input.shape[:2], *grid.shape[1:-1]).to(input.dtype)


class AffineGridFn(Function):
    @staticmethod
    def forward(theta, places):
        return places @ theta.mT  # (3)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        (places,) = ctx.saved_tensors
        return grad.mT @ places, None  # (6)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid (N, *O, d) for an output (N, C, *O) of this size, each place moved by θ. See the module's page."""
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
    lines = []
    for n in size[2:]:
        i = torch.arange(n, dtype=theta.dtype, device=theta.device)
        ends = n - 1 if align_corners else n
        lines.append((2 * i + (0 if align_corners else 1)) / max(ends, 1) - (1 if n > 1 else float(not align_corners)))
    axes = torch.meshgrid(*lines, indexing="ij")
    places = torch.stack([*reversed(axes), torch.ones_like(axes[0])], -1).flatten(0, -2)
    grid = AffineGridFn.apply(*autocast(theta, places))
    return grid.view(size[0], *size[2:], dims)
