"""Convolution (in deep learning's sense: a cross-correlation), for any number of spatial dimensions.

Shapes:     x (N, C, *S)   W (O, C/G, *K)   b (O,) or None   y (N, O, *L)
            G groups, each its own convolution: the sums below are over one. d dilation, s stride, p padding.
Formula:    y[n, o, l] = b[o] + Σ_ck W[o, c, k] x[n, c, s·l + d·k − p],    x being 0 outside            (1)
Tangent:    ẏ = conv(ẋ, W) + conv(x, Ẇ) + ḃ                                                            (2)
Adjoint:    ⟨ȳ, conv(x, W)⟩ = Σ_nolck ȳ[n, o, l] W[o, c, k] x[n, c, s·l + d·k − p] is linear in each of
            its three factors, and each gradient leaves out one of them:
            x̄[n, c, i] = Σ_olk ȳ[n, o, l] W[o, c, k]  over all l, k with s·l + d·k − p = i              (3)
            W̄[o, c, k] = Σ_nl  ȳ[n, o, l] x[n, c, s·l + d·k − p]                                       (4)
            b̄[o]       = Σ_nl  ȳ[n, o, l]                                                             (5)
            (3) is the transposed convolution. The gradients of (3) by ȳ and W, and of (4) by x and ȳ, are
            again among (1), (3), (4): three Functions that call each other give derivatives of every order.

Products:   A convolution is a Linear layer on windows. Let X (N·L, K·C) have a row for each window of the padded
            x, W (K·C, O) and Y (N·L, O) be the other two in that order. Then, as for Linear,
            Y = X W + b   (1)        X̄ = Ȳ Wᵀ   (3)        W̄ = Xᵀ Ȳ   (4)
            and x̄ is X̄ with every window added back to where it was read (window.py).
Neighbours: X holds every number of x up to K times, and a few columns W make a slow product. So B neighbouring
            outputs are computed together: they share one window of size K + s(B − 1), for which
            W⁺[s·j + k, c; j, o] = W[o, c, k],  j < B, and 0 elsewhere                                  (6)
            y[n, o, B·l + j] = Y⁺[n·l; j, o],   Y⁺ = X⁺ W⁺                                              (7)
            This is the same convolution with a larger kernel and stride and B·O outputs, and all of the above
            holds. The gradient of (6) sums W̄⁺ over the diagonals j. `block` weighs the products with zeros
            against the copying saved; B = 1 is the plain form.

Saved:      x, W.   Recomputed: X, a few images at a time, as it is K times the size of x.
Kinks:      none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv2d. Differs: y has the channels last in memory, whatever x has (so flatten it
            with reshape, not view); without input channels y = b, and has O channels.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998);
            Chellapilla, Puri and Simard, High performance convolutional neural networks for document
            processing (2006), for the product with X.
"""

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.function import Function
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, output_sizes, overlap_add, pair, windows


class Geometry(NamedTuple):
    """All the numbers but x, W and b. Everything has an entry for each spatial dimension, except the padding: it
    is (left, right) of the last dimension, then of the one before, ..."""

    size: tuple[int, ...]  # S, padded
    output: tuple[int, ...]  # L / B
    kernel: tuple[int, ...]  # K + s(B − 1)
    stride: tuple[int, ...]  # s · B
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int
    block: tuple[int, ...]  # B
    plain_kernel: tuple[int, ...]  # K
    plain_stride: tuple[int, ...]  # s


# The three arrays as matrices, and back. All are (G, ..., ...), the groups first.


def columns(x: Tensor, g: Geometry) -> Tensor:
    """Padded x (N, C, *S) -> X (G, N·L, K·C/G)."""
    dims = len(g.size)
    view = windows(x, g.kernel, g.stride, g.dilation).unflatten(1, (g.groups, x.shape[1] // g.groups))
    view = view.permute(1, 0, *range(3, 3 + 2 * dims), 2)  # (G, N, *L, *K, C/G)
    return view.reshape(g.groups, view.shape[1 : 2 + dims].numel(), view.shape[2 + dims :].numel())


def add_columns(X: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `columns`: X̄ -> padded x̄."""
    dims, windows, c = len(g.size), math.prod(g.output), X.shape[2] // math.prod(g.kernel)
    view = X.view(g.groups, X.shape[1] // windows, *g.output, *g.kernel, c)
    view = view.permute(1, 0, 2 + 2 * dims, *range(2, 2 + 2 * dims)).flatten(1, 2)  # (N, C, *L, *K)
    return overlap_add(view, g.size, g.stride, g.dilation)


def rows(y: Tensor, g: Geometry) -> Tensor:
    """y (N, O, *L) -> Y (G, N·L/B, B·O/G), (7)."""
    dims, o = len(g.size), y.shape[1] // g.groups
    split = [size for pair in zip(g.output, g.block, strict=True) for size in pair]
    view = y.movedim(1, -1).reshape(y.shape[0], *split, g.groups, o)  # (N, L₁/B₁, B₁, L₂/B₂, B₂, ..., G, O/G)
    axes = (0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 2)
    view = view.permute(2 * dims + 1, *axes)  # (G, N, *L/B, *B, O/G)
    return view.reshape(g.groups, y.shape[0] * math.prod(g.output), math.prod(g.block) * o)


def images(Y: Tensor, g: Geometry) -> Tensor:
    """The inverse of `rows`, which is its adjoint: Y -> y."""
    dims, o = len(g.size), Y.shape[2] // math.prod(g.block)
    n = Y.shape[1] // math.prod(g.output)
    view = Y.view(g.groups, n, *g.output, *g.block, o)
    axes = [axis for i in range(dims) for axis in (2 + i, 2 + dims + i)]
    view = view.permute(1, *axes, 0, 2 + 2 * dims)  # (N, L₁/B₁, B₁, L₂/B₂, B₂, ..., G, O/G)
    full = (size * b for size, b in zip(g.output, g.block, strict=True))
    return view.reshape(n, *full, g.groups * o).movedim(-1, 1)


def diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """W⁺ (G, *K⁺, C/G, *B, O/G) -> the view (G, C/G, O/G, K₁, B₁, K₂, B₂, ...) of W⁺[s·j + k, c; j, o]."""
    for axis, k, s in zip(range(len(g.size), 0, -1), g.plain_kernel, g.plain_stride, strict=True):
        wide = wide.unfold(1, k, s).diagonal(0, 1, axis + 2)
    return wide


def matrix(weight: Tensor, g: Geometry) -> Tensor:
    """W (O, C/G, *K) -> (G, K⁺·C/G, B·O/G), (6)."""
    weight = weight.unflatten(0, (g.groups, weight.shape[0] // g.groups)).transpose(1, 2)
    _, c, o = weight.shape[:3]
    wide = weight.new_zeros(g.groups, *g.kernel, c, *g.block, o)
    diagonals(wide, g).copy_(weight[(..., *(i for _ in g.block for i in (slice(None), None)))])
    return wide.view(g.groups, math.prod(g.kernel) * c, math.prod(g.block) * o)


def sum_diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `matrix`: (G, K⁺·C/G, B·O/G) -> W̄ (O, C/G, *K)."""
    c, o = wide.shape[1] // math.prod(g.kernel), wide.shape[2] // math.prod(g.block)
    view = diagonals(wide.view(g.groups, *g.kernel, c, *g.block, o), g)
    dims = len(g.size)
    view = view.permute(*range(4, 4 + 2 * dims, 2), 0, 2, 1, *range(3, 3 + 2 * dims, 2))  # (*B, G, O/G, C/G, *K)
    return view.reshape(math.prod(g.block), -1).sum(0).view(g.groups * o, c, *g.plain_kernel)


# The three maps.


def times(a: Tensor, b: Tensor) -> Tensor:
    """The product of each group; one group goes as a plain product, which is faster."""
    return (a[0] @ b[0])[None] if a.shape[0] == 1 else a @ b


def padded(x: Tensor, g: Geometry) -> Tensor:
    """x with its zeros around it, channels last in memory: a row of a window is then one run."""
    return constant_pad(x.movedim(1, -1), (0, 0, *g.padding)).contiguous().movedim(-1, 1)


def parts(images: int, channels: int, g: Geometry) -> Iterator[tuple[slice, slice]]:
    """The batch in parts whose X fits in a cache: the slices of its images and of its rows."""
    windows = math.prod(g.output)
    step = max(1, 2**19 // max(1, windows * math.prod(g.kernel) * channels))
    for first in range(0, max(images, 1), step):
        last = min(first + step, images)
        yield slice(first, last), slice(first * windows, last * windows)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, g: Geometry) -> Tensor:
    """(1): x, W, b -> y."""
    x, W, Y = padded(x, g), matrix(weight, g), []
    for part, _ in parts(x.shape[0], x.shape[1], g):
        X = columns(x[part], g)
        if bias is None:
            Y.append(times(X, W))
        elif g.groups == 1:
            Y.append(torch.addmm(bias.repeat(math.prod(g.block)), X[0], W[0])[None])
        else:
            Y.append(torch.baddbmm(bias.view(g.groups, 1, -1), X, W))
    return images(torch.cat(Y, 1) if len(Y) > 1 else Y[0], g)


def spread(Y: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """(3): the rows of ȳ, W -> x̄."""
    W, x = matrix(weight, g).mT, []
    for _, part in parts(Y.shape[1] // math.prod(g.output), weight.shape[1] * g.groups, g):
        x.append(add_columns(times(Y[:, part], W), g))
    full = torch.cat(x) if len(x) > 1 else x[0]
    return constant_pad(full.movedim(1, -1), (0, 0, *(-amount for amount in g.padding))).movedim(-1, 1)


def correlate(x: Tensor, Y: Tensor, g: Geometry) -> Tensor:
    """(4): x, the rows of ȳ -> W̄."""
    x = padded(x, g)
    W = [times(columns(x[i], g).mT, Y[:, j]) for i, j in parts(x.shape[0], x.shape[1], g)]
    return sum_diagonals(sum(W[1:], W[0]), g)


class ConvFn(Function):
    @staticmethod
    def forward(x, weight, bias, g):
        return convolve(x, weight, bias, g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.geometry = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad):
        (x, weight), g = ctx.saved_tensors, ctx.geometry
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        if torch.is_grad_enabled():  # each as a Function of its own
            grad_x = SpreadFn.apply(grad, weight, g) if needs_x else None
            grad_weight = CorrelateFn.apply(x, grad, g) if needs_weight else None
            grad_bias = grad.sum([0, *range(2, grad.dim())]) if needs_bias else None
        else:  # the same numbers; ȳ is put in rows once
            Y = rows(grad, g)
            grad_x = spread(Y, weight, g) if needs_x else None  # (3)
            grad_weight = correlate(x, Y, g) if needs_weight else None  # (4)
            grad_bias = Y.sum(1).view(-1, weight.shape[0]).sum(0) if needs_bias else None  # (5)
        return grad_x, grad_weight, grad_bias, None


class SpreadFn(Function):
    """(3) as a function of ȳ and W; what arrives from above has the shape of x."""

    @staticmethod
    def forward(grad, weight, g):
        return spread(rows(grad, g), weight, g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        grad, weight, ctx.geometry = inputs
        ctx.save_for_backward(grad, weight)

    @staticmethod
    def backward(ctx, x):
        (grad, weight), g = ctx.saved_tensors, ctx.geometry
        needs_grad, needs_weight, _ = ctx.needs_input_grad
        grad_grad = ConvFn.apply(x, weight, None, g) if needs_grad else None
        grad_weight = CorrelateFn.apply(x, grad, g) if needs_weight else None
        return grad_grad, grad_weight, None


class CorrelateFn(Function):
    """(4) as a function of x and ȳ; what arrives from above has the shape of W."""

    @staticmethod
    def forward(x, grad, g):
        return correlate(x, rows(grad, g), g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, grad, ctx.geometry = inputs
        ctx.save_for_backward(x, grad)

    @staticmethod
    def backward(ctx, weight):
        (x, grad), g = ctx.saved_tensors, ctx.geometry
        needs_x, needs_grad, _ = ctx.needs_input_grad
        grad_x = SpreadFn.apply(grad, weight, g) if needs_x else None
        grad_grad = ConvFn.apply(x, weight, None, g) if needs_grad else None
        return grad_x, grad_grad, None


@lru_cache
def geometry(size: Sizes, weight: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int) -> Geometry:
    """From S and the shape of W."""
    outputs, channels, *kernel = weight
    size = tuple(n + left + right for n, left, right in zip(size, padding[-2::-2], padding[::-2], strict=True))
    output = output_sizes(size, kernel, stride, dilation)
    # A single window can as well step by its own size; that spares it the loop of `overlap_add`.
    stride = tuple(s if n > 1 else k for s, n, k in zip(stride, output, kernel, strict=True))

    def blocked(b: tuple[int, ...]) -> Geometry:
        return Geometry(
            size,
            tuple(n // k for n, k in zip(output, b, strict=True)),
            tuple(k + s * (n - 1) for k, s, n in zip(kernel, stride, b, strict=True)),
            tuple(s * n for s, n in zip(stride, b, strict=True)),
            tuple(dilation),
            tuple(padding),
            groups,
            b,
            tuple(kernel),
            stride,
        )

    def cost(g: Geometry) -> float:
        """In multiplications for one output: the product, the numbers copied, and the runs they are copied in."""
        numbers, copies = math.prod(g.kernel) * channels, 1 / math.prod(g.block)
        return numbers * outputs + 12 * numbers * copies + 200 * math.prod(g.kernel[:-1]) * copies

    if groups > 1 or max(dilation) > 1:
        return blocked((1,) * len(kernel))
    divisors = ([b for b in range(1, 9) if n % b == 0] for n in output)
    return min(map(blocked, product(*divisors)), key=cost)


def padding_amounts(padding: str | int | Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[int, ...]:
    """Padding as a user writes it -> (left, right) of the last dimension, then of the one before, ..."""
    if padding == "valid":
        return (0, 0) * len(kernel)
    if padding == "same":  # as many outputs as inputs; an odd number gives the right side one more
        if any(s != 1 for s in stride):
            raise RuntimeError(f"padding='same' goes with stride 1 only, but got {tuple(stride)}")
        total = [r * (k - 1) for k, r in zip(kernel, dilation, strict=True)]
        return tuple(amount for t in reversed(total) for amount in (t // 2, t - t // 2))
    if isinstance(padding, str):
        raise RuntimeError(f"padding {padding!r}: legal are 'same', 'valid' and numbers")
    return tuple(amount for p in reversed(pair(padding, len(kernel))) for amount in (p, p))


def check(x: Tensor, weight: Tensor, bias: Tensor | None, g: tuple[Sizes, Sizes, Sizes, int]) -> None:
    """The demands of torch's convolution, as RuntimeErrors."""
    stride, padding, dilation, groups = g
    kernel = weight.shape[2:]
    if not len(stride) == len(dilation) == len(padding) / 2 == len(kernel):
        raise RuntimeError(f"stride, padding and dilation need 1 or {len(kernel)} numbers")
    if min(*stride, *dilation, *kernel, groups) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"kernel {tuple(kernel)}, stride {stride}, dilation {dilation} and groups {groups} must be positive, "
            f"padding {padding} not negative"
        )
    if weight.shape[0] == 0 or weight.shape[0] % groups:
        raise RuntimeError(f"{groups} groups do not divide {weight.shape[0]} output channels")
    if x.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"a weight {tuple(weight.shape)} with {groups} groups expects {weight.shape[1] * groups} input "
            f"channels, but got {tuple(x.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"expected a bias of shape ({weight.shape[0]},), but got {tuple(bias.shape)}")
    if 0 in x.shape[2:] and x.shape[0] * x.shape[1] > 0:
        raise RuntimeError(f"only the batch and the channels may be empty, but got {tuple(x.shape)}")
    for n, k, r, left, right in zip(x.shape[2:], kernel, dilation, padding[-2::-2], padding[::-2], strict=True):
        if n + left + right < r * (k - 1) + 1:
            raise RuntimeError(f"the kernel {tuple(kernel)} is larger than the padded input {tuple(x.shape[2:])}")


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, H', W') = b + W * x for x (N, C, H, W) or, unbatched, (C, H, W). See the module's page."""
    return conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv(dims: int, x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups: int) -> Tensor:
    if x.dim() == dims + 1:
        return conv(dims, x[None], weight, bias, stride, padding, dilation, groups)[0]
    if x.dim() != dims + 2 or weight.dim() != dims + 2:
        raise RuntimeError(
            f"expected an input (N, C, *S) or (C, *S) and a weight (O, C, *K) with {dims} spatial dimensions, "
            f"but got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    stride, dilation = pair(stride, dims), pair(dilation, dims)
    amounts = padding_amounts(padding, weight.shape[2:], stride, dilation)
    if padding == "same" and amounts[::2] != amounts[1::2]:
        warnings.warn("padding='same' is uneven here: there is one more zero on the right", stacklevel=3)
    options = stride, amounts, dilation, groups
    check(x, weight, bias, options)
    return ConvFn.apply(x, weight, bias, geometry(x.shape[2:], weight.shape, *options))
