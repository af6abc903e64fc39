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

Products:   A convolution is a Linear layer on windows. The textbook copies all windows of the padded x into the
            rows of a matrix X (N·L, K·C). Then, as for Linear, Y = X W + b, X̄ = Ȳ Wᵀ, W̄ = Xᵀ Ȳ, and x̄ is X̄ with
            each window added back to where it was read.
Shifts:     It is enough to copy windows along all dimensions but the first. Let Z[i] (N·L', K'·C) have those of
            the lines i of all images; then, for all l at once,
            Y[l] = Σ_k Z[s·l + d·k] W[k] + b   (1)       Z̄[s·l + d·k] += Ȳ[l] W[k]ᵀ   (3)
            W̄[k] = Σ_l Z[s·l + d·k]ᵀ Ȳ[l]      (4)       with k in the first dimension of the kernel.
            With Z in the order of i, first all i that are equal modulo s, each Z[s·l + d·k] is one block of
            neighbouring rows: a kernel offset is a shift, and copies nothing.
Neighbours: With few channels the products are narrow and slow. So B outputs side by side in a line are computed
            together: they share one window of size K + s(B − 1) in the last dimension, for which
            W⁺[s·j + k, c; j, o] = W[o, c, k],  j < B, and 0 elsewhere                                  (6)
            y[n, o, B·l + j] = Y⁺[n·l; j, o],   Y⁺ = X⁺ W⁺                                              (7)
            This is the same convolution with a larger kernel and stride and B·O outputs, and all of the above
            holds. The adjoint of (6) sums W̄⁺ over its diagonals.
            `plan` chooses; `geometry` with B = 1 and without shifts is the textbook, as which the tests prove all.

Saved:      x, W.   Recomputed: Z, a few images at a time.
Kinks:      none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv1d, conv2d, conv3d. Differs: y has the channels last in
            memory, whatever x has (so flatten it with reshape, not view); a NaN or an infinity in x also reaches the
            neighbours computed with those whose window has it; without input channels y = b, and has O channels.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998);
            Chellapilla, Puri and Simard, High performance convolutional neural networks for document
            processing (2006), for the product with X.
"""

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.dtype import autocast
from scratch.ops.function import Function, in_place
from scratch.ops.linear import LinearFn
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, add_windows, output_sizes, pair


class Geometry(NamedTuple):
    """All the numbers but x, W and b."""

    padding: tuple[int, ...]  # (left, right) of the last dimension, then of the one before, ...
    padded: tuple[int, ...]  # S with it
    output: tuple[int, ...]  # L
    kernel: tuple[int, ...]  # K
    channels: int  # C
    groups: tuple[int, ...]  # (G,); () for one group, whose matrices then have one dimension less
    # The dimension that goes by shifts:
    step: int  # s
    steps: int  # S / s
    rows: int  # L
    shifts: tuple[tuple[int, int], ...]  # d·k for each k, divided by s: the quotient and the remainder
    # The dimensions that go by windows, with the B neighbours in the last of them counted in:
    size: tuple[int, ...]  # S
    windows: tuple[int, ...]  # L'
    window: tuple[int, ...]  # K'
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    block: int  # B
    plain: tuple[int, int]  # K and s of the last dimension without them


CACHE = 2**19  # numbers of Z made at a time

# The three arrays as matrices, and back. If there are groups, they are the first dimension of each matrix.


def strips(x: Tensor, g: Geometry) -> Tensor:
    """Padded x (N, *S, C) -> Z (s, G, S/s·N·L', K'·C/G)."""
    groups, rest = len(g.groups), len(g.size)
    c = x.shape[-1] // math.prod(g.groups)
    z = x.view(x.shape[0], g.steps, g.step, *g.size, *g.groups, c)
    z = z.permute(2, *range(3 + rest, 3 + rest + groups), 1, 0, *range(3, 3 + rest), -1)
    # (s, G, S/s, N, *S, C/G). One dimension at a time, the last first: so the next is copied in longer runs.
    axis = 2 + groups + rest
    for k, o, s, d in zip(g.window[::-1], g.windows[::-1], g.stride[::-1], g.dilation[::-1], strict=True):
        size, stride = list(z.shape), list(z.stride())
        del size[axis]
        one = stride.pop(axis)
        size[axis:axis], stride[axis:axis] = [k], [d * one]
        size[3 + groups : 3 + groups], stride[3 + groups : 3 + groups] = [o], [s * one]
        z = z.as_strided(size, stride).contiguous()  # (…, N, *L' so far, *S, *K' so far, C/G)
    return z.view(g.step, *g.groups, g.steps * x.shape[0] * math.prod(g.windows), math.prod(g.window) * c)


def shifted(Z: Tensor, g: Geometry) -> list[Tensor]:
    """The blocks of rows Z[s·l + d·k] (G, L·N·L', K'·C/G) for all l, for each k."""
    step, each = Z.unbind(0), Z.shape[-2] // g.steps
    return [step[remainder].narrow(-2, quotient * each, g.rows * each) for quotient, remainder in g.shifts]


def add_strips(Z: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `strips`, but for the shifts: Z̄ -> padded x̄ (N, *S, C)."""
    groups, rest = len(g.groups), len(g.size)
    n, c = Z.shape[-2] // (g.steps * math.prod(g.windows)), Z.shape[-1] // math.prod(g.window)
    view = Z.view(g.step, *g.groups, g.steps, n, *g.windows, *g.window, c)
    places = range(3 + groups, 3 + groups + rest)
    view = view.permute(2 + groups, 1 + groups, 0, *places, *range(1, 1 + groups), -1, *(i + rest for i in places))
    x = Z.new_zeros(n, g.steps, g.step, *g.size, *g.groups, c)
    add_windows(x, 3, view, g.stride, g.dilation)
    return x.view(n, *g.padded, g.channels)


def rows(y: Tensor, g: Geometry) -> Tensor:
    """y (N, O, *L) -> Y (G, L·N·L', B·O/G), (7). What is missing to a multiple of B is 0."""
    o = y.shape[1] // math.prod(g.groups)
    y = constant_pad(y.movedim(1, -1), (0, 0, 0, g.windows[-1] * g.block - y.shape[-1]))
    view = y.reshape(y.shape[0], g.rows, math.prod(g.windows), g.block, *g.groups, o)
    view = view.permute(*range(4, 4 + len(g.groups)), 1, 0, 2, 3, -1)  # (G, L, N, L', B, O/G)
    return view.reshape(*g.groups, g.rows * y.shape[0] * math.prod(g.windows), g.block * o)


def image(Y: Tensor, g: Geometry) -> Tensor:
    """The inverse of `rows`, which is its adjoint: Y -> y as (N, *L, O)."""
    groups, n = len(g.groups), Y.shape[-2] // (g.rows * math.prod(g.windows))
    view = Y.view(*g.groups, g.rows, n, math.prod(g.windows), g.block, Y.shape[-1] // g.block)
    view = view.permute(1 + groups, groups, 2 + groups, 3 + groups, *range(groups), -1)  # (N, L, L', B, G, O/G)
    y = view.reshape(n, *g.output[:-1], g.windows[-1] * g.block, view.shape[4:].numel())
    return y.narrow(-2, 0, g.output[-1])


def diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """W⁺ (K, G, *K', C/G, B, O/G) -> the view of W⁺[…, s·j + k, c; j, o], with the dimensions k and j moved to the
    end: (K, G, *K' but the last, C/G, O/G, k, j)."""
    kernel, s = g.plain
    size, stride = wide.shape, wide.stride()
    return wide.as_strided(
        (*size[:-4], size[-3], size[-1], kernel, g.block),
        (*stride[:-4], stride[-3], stride[-1], stride[-4], s * stride[-4] + stride[-2]),
    )


def matrices(weight: Tensor, g: Geometry) -> list[Tensor]:
    """W (O, C/G, *K) -> W⁺[k] (G, K'·C/G, B·O/G) for each shift k, (6)."""
    (o, c), groups, rest = weight.shape[:2], len(g.groups), len(g.size)
    o //= math.prod(g.groups)
    wide = weight.new_zeros(len(g.shifts), *g.groups, *g.window, c, g.block, o)
    plain = weight.reshape(*g.groups, o, c, len(g.shifts), *g.window[:-1], g.plain[0])
    plain = plain.permute(2 + groups, *range(groups), *range(3 + groups, 2 + groups + rest), 1 + groups, groups, -1)
    diagonals(wide, g).copy_(plain[..., None])
    return list(wide.view(len(g.shifts), *g.groups, math.prod(g.window) * c, g.block * o).unbind(0))


def sum_diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `matrices`: (K, G, K'·C/G, B·O/G) -> W̄ (O, C/G, *K)."""
    c, o = wide.shape[-2] // math.prod(g.window), wide.shape[-1] // g.block
    view = diagonals(wide.view(len(g.shifts), *g.groups, *g.window, c, g.block, o), g)
    groups = 1 + len(g.groups)
    view = view.permute(-1, *range(1, groups), -3, -4, 0, *range(groups, view.dim() - 4), -2)
    return view.reshape(g.block, -1).sum(0).view(math.prod(g.groups) * o, c, *g.kernel)


# The three maps.


def add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out += a b"""
    if not in_place(out):  # vmap knows addition in place, but no product
        out += a @ b
    elif out.dim() == 2:
        out.addmm_(a, b)
    else:
        out.baddbmm_(a, b)


def products(Z: Tensor, Y: Tensor, g: Geometry) -> Tensor:
    """Z[s·l + d·k]ᵀ Ȳ[l] (K, G, K'·C/G, B·O/G), for all k in one call where the blocks lie at equal distances."""
    count, columns = len(g.shifts), Z.shape[-1]
    if g.groups or count == 1 or g.shifts[-1] != (count - 1, 0):
        return torch.stack([z.mT @ Y for z in shifted(Z, g)])
    each = Z.shape[-2] // g.steps * columns
    blocks = Z.as_strided((count, Y.shape[0], columns), (each, columns, 1))
    return torch.bmm(blocks.mT, Y.expand(count, *Y.shape))


def pad_to(x: Tensor, g: Geometry) -> Tensor:
    """x (N, C, *S) with its padding, as (N, *S, C): a window is then one run of numbers."""
    return constant_pad(x.movedim(1, -1), (0, 0, *g.padding)).contiguous()


def cropped(x: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `pad_to`, but for the order of the dimensions."""
    return constant_pad(x, (0, 0, *(-amount for amount in g.padding)))


def parts(images: int, g: Geometry) -> Iterator[slice]:
    """The batch in parts whose Z fits in a cache."""
    each = g.channels * math.prod((g.steps, g.step, *g.windows, *g.window))
    step = max(1, CACHE // max(1, each))
    return (slice(first, first + step) for first in range(0, max(images, 1), step))


def joined(images: list[Tensor]) -> Tensor:
    """Parts (N, *L, O) -> (N, O, *L)"""
    return (torch.cat(images) if len(images) > 1 else images[0].contiguous()).movedim(-1, 1)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, g: Geometry) -> Tensor:
    """(1): x, W, b -> y."""
    W, y = matrices(weight, g), []
    if bias is not None:
        bias = torch.cat([bias.view(*g.groups, 1, -1)] * g.block, -1)  # (G, 1, B·O/G)
    for part in parts(x.shape[0], g):
        first, *others = shifted(strips(pad_to(x[part], g), g), g)
        if bias is None:
            Y = first @ W[0]
        else:
            Y = torch.baddbmm(bias, first, W[0]) if g.groups else torch.addmm(bias, first, W[0])
        for z, w in zip(others, W[1:], strict=True):
            add_product(Y, z, w)
        y.append(image(Y, g))
    return joined(y)


def gradients(
    grad: Tensor, g: Geometry, weight: Tensor | None, x: Tensor | None, bias: bool = False
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """ȳ and what is needed for each -> x̄ by (3), which takes W; W̄ by (4), which takes x; b̄ by (5)."""
    W = [] if weight is None else matrices(weight, g)
    grad_x: list[Tensor] = []
    grad_W: list[Tensor] = []
    grad_b: list[Tensor] = []
    for part in parts(grad.shape[0], g):
        Y = rows(grad[part], g)
        if weight is not None:
            like = Y if in_place(Y) else Y[..., :0, :] @ W[0].mT  # vmap may batch either
            Z = like.new_zeros(g.step, *g.groups, Y.shape[-2] // g.rows * g.steps, W[0].shape[-2])
            for z, w in zip(shifted(Z, g), W, strict=True):
                add_product(z, Y, w.mT)
            grad_x.append(cropped(add_strips(Z, g), g))
        if x is not None:
            grad_W.append(products(strips(pad_to(x[part], g), g), Y, g))
        if bias:
            grad_b.append(Y.sum(-2))
    return (
        joined(grad_x) if grad_x else None,
        sum_diagonals(sum(grad_W[1:], grad_W[0]), g) if grad_W else None,
        sum(grad_b[1:], grad_b[0]).view(*g.groups, g.block, -1).sum(-2).flatten() if grad_b else None,
    )


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
        if in_place(grad):  # all at once
            return *gradients(grad, g, weight if needs_x else None, x if needs_weight else None, needs_bias), None
        grad_x = SpreadFn.apply(grad, weight, g) if needs_x else None  # (3)
        grad_weight = CorrelateFn.apply(x, grad, g) if needs_weight else None  # (4)
        grad_bias = grad.sum([0, *range(2, grad.dim())]) if needs_bias else None  # (5)
        return grad_x, grad_weight, grad_bias, None


class SpreadFn(Function):
    """(3) as a function of ȳ and W; what arrives from above has the shape of x."""

    @staticmethod
    def forward(grad, weight, g):
        return gradients(grad, g, weight, None)[0]

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
        return gradients(grad, g, None, x)[1]

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
def plan(
    x: Sizes, weight: Sizes, bias: Sizes | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Geometry:
    """What is fastest, by measurement, for x, W and b of these shapes; refuses what torch refuses."""
    check(x, weight, bias, stride, padding, dilation, groups)
    options = x[2:], weight, stride, padding, dilation, groups
    output = geometry(*options).output
    # Narrow products are slow: at least 16 columns, or 2 outputs of few channels; rather more than a remainder.
    block = max(-(-16 * groups // weight[0]), 2 if weight[1] < 16 else 1)
    block = next((b for b in range(block, 2 * block) if output[-1] % b == 0), block)
    block = min(block, output[-1]) if dilation[-1] == 1 else 1
    # Shifts make a product for each row of the kernel: not where those are narrow, or where y has but one row. The
    # only dimension of a line goes by windows.
    shift = len(output) > 1 and output[0] > 1 and (weight[-1] + stride[-1] * (block - 1)) * weight[1] > 24
    return geometry(*options, block, shift)


def geometry(
    size: Sizes,
    weight: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
    block: int = 1,
    shift: bool = False,
) -> Geometry:
    """From S and the shape of W: B neighbours together, and the first dimension by shifts, or all by windows."""
    kernel = tuple(weight[2:])
    padded = [n + left + right for n, left, right in zip(size, padding[-2::-2], padding[::-2], strict=True)]
    output = output_sizes(padded, kernel, stride, dilation)
    # A single window may as well step by its own size, which `add_windows` does at once.
    stride = tuple(k if n == 1 else s for s, n, k in zip(stride, output, kernel, strict=True))
    windows = (*output[:-1], -(-output[-1] // block))
    window = (*kernel[:-1], kernel[-1] + stride[-1] * (block - 1))
    strides = (*stride[:-1], stride[-1] * block)
    padded[-1] = strides[-1] * (windows[-1] - 1) + dilation[-1] * (window[-1] - 1) + 1  # what is read
    step, steps, rows, rest = 1, 1, 1, slice(None)
    shifts: tuple[tuple[int, int], ...] = ((0, 0),)
    if shift:
        step, rows, rest = stride[0], output[0], slice(1, None)
        shifts = tuple(divmod(dilation[0] * k, step) for k in range(kernel[0]))
        steps = shifts[-1][0] + rows
        padded[0] = step * steps
    amounts = [(left, n - m - left) for m, n, left in zip(size, padded, padding[-2::-2], strict=True)]
    return Geometry(
        tuple(amount for pair in reversed(amounts) for amount in pair),
        tuple(padded),
        output,
        kernel,
        weight[1] * groups,
        (groups,) if groups > 1 else (),
        step,
        steps,
        rows,
        shifts,
        tuple(padded[rest]),
        windows[rest],
        window[rest],
        strides[rest],
        tuple(dilation[rest]),
        block,
        (kernel[-1], stride[-1]),
    )


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


def check(
    x: Sizes, weight: Sizes, bias: Sizes | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> None:
    """The demands of torch's convolution on the shapes and the numbers, as RuntimeErrors."""
    dims, kernel = len(weight) - 2, tuple(weight[2:])
    if not len(stride) == len(dilation) == len(padding) / 2 == dims:
        raise RuntimeError(f"stride, padding and dilation need 1 or {dims} numbers")
    if min(*stride, *dilation, *kernel, groups) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride}, dilation {dilation} and groups {groups} must be positive, "
            f"padding {padding} not negative"
        )
    if weight[0] == 0 or weight[0] % groups:
        raise RuntimeError(f"{groups} groups do not divide {weight[0]} output channels")
    if x[1] != weight[1] * groups:
        raise RuntimeError(
            f"a weight {tuple(weight)} with {groups} groups expects {weight[1] * groups} input channels, "
            f"but got {tuple(x)}"
        )
    if bias is not None and tuple(bias) != (weight[0],):
        raise RuntimeError(f"expected a bias of shape ({weight[0]},), but got {tuple(bias)}")
    if 0 in x[2:] and x[0] * x[1] > 0:
        raise RuntimeError(f"only the batch and the channels may be empty, but got {tuple(x)}")
    for n, k, d, left, right in zip(x[2:], kernel, dilation, padding[-2::-2], padding[::-2], strict=True):
        if n + left + right < d * (k - 1) + 1:
            raise RuntimeError(f"the kernel {kernel} is larger than the padded input {tuple(x[2:])}")


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, L') = b + W * x for x (N, C, L) or, unbatched, (C, L). See the module's page."""
    return conv(1, input, weight, bias, stride, padding, dilation, groups)


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


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, D', H', W') = b + W * x for x (N, C, D, H, W) or, unbatched, (C, D, H, W). See the module's page."""
    return conv(3, input, weight, bias, stride, padding, dilation, groups)


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
    shape = None if bias is None else bias.shape
    g = plan(x.shape, weight.shape, shape, stride, amounts, dilation, groups)
    x, weight, bias = autocast(x, weight, bias)
    if weight.shape[2:] == x.shape[2:] and groups == 1 and not any(amounts):
        y = LinearFn.apply(x.flatten(1), weight.flatten(1), bias)  # one window: the whole of x
        return y[(..., *(None for _ in range(dims)))]
    return ConvFn.apply(x, weight, bias, g)
