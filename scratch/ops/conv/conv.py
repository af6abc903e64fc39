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

Products:   Fast are matrix products. conv_products.py reads x, W and y as matrices for them, in the textbook's form
            and in faster ones; `plan` chooses.

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
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import repeat

import torch
from torch import Tensor

from scratch.ops.conv.products import FEW, Geometry, geometry, mirrored
from scratch.ops.conv.window import Sizes, pair
from scratch.ops.core.dtype import autocast
from scratch.ops.core.function import Function, in_place, known
from scratch.ops.core.product import add_product, product
from scratch.ops.core.warning import warn
from scratch.ops.linear import LinearFn

CACHE = 2**20  # numbers of Z made at a time

# The three maps.


def parts(images: Tensor, g: Geometry) -> Sequence[Tensor]:
    """The batch in parts of equal size, whose Z fits in a cache; whole where its size is not known (`known`)."""
    n = images.shape[0]
    if not isinstance(n, int):
        return [images]
    count = n * g.channels * math.prod((g.steps, g.step, *g.windows, *g.window)) // CACHE + 1
    return images.split(-(-n // count)) if count > 1 else [images]


def in_step(grad: Tensor, x: Tensor | None, g: Geometry) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The parts of ȳ with those of x, if it is given."""
    return zip(parts(grad, g), repeat(None) if x is None else parts(x, g), strict=False)


def joined(images: list[Tensor]) -> Tensor:
    """Parts (N, *L, O) -> (N, O, *L)"""
    return (torch.cat(images) if len(images) > 1 else images[0].contiguous()).movedim(-1, 1)


def rows_of_output(Z: list[Tensor], W: list[Tensor], b: Tensor | None = None) -> Tensor:
    """Y = Σ_k Z[k] W[k] + b"""
    Y = product(Z[0], W[0], b)
    for z, w in zip(Z[1:], W[1:], strict=True):
        add_product(Y, z, w)
    return Y


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, g: Geometry) -> Tensor:
    """(1): x, W, b -> y."""
    W, b = g.matrices(weight), None if bias is None else g.biases(bias)
    Z = (g.shifted(g.strips(part)) for part in parts(x, g))
    return joined([g.image(rows_of_output(z, W, b)) for z in Z])


def rows_of_input(Y: Tensor, W: list[Tensor], g: Geometry) -> Tensor:
    """Z̄[k] = Σ_k Ȳ W[k]ᵀ, added up where the blocks of rows Z[k] overlap."""
    if len(W) == 1 and g.step == 1:
        return product(Y, W[0].mT)[None]
    like = Y if in_place(Y) else Y[..., :0, :] @ W[0].mT  # vmap may batch either
    Z = like.new_zeros(g.step, *g.groups, Y.shape[-2] // g.lines * g.steps, W[0].shape[-2])
    for z, w in zip(g.shifted(Z), W, strict=True):
        add_product(z, Y, w.mT)
    return Z


def gradients(
    grad: Tensor, g: Geometry, weight: Tensor | None, x: Tensor | None, bias: bool = False
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """ȳ and what is needed for each -> x̄ by (3), which takes W; W̄ by (4), which takes x; b̄ by (5)."""
    if g.mirror is not None and weight is not None:
        return *gradients_by_mirror(grad, g.mirror, weight, x), grad.sum([0, *range(2, grad.dim())]) if bias else None
    W = [] if weight is None else g.matrices(weight)
    grad_x: list[Tensor] = []
    grad_W: list[Tensor] = []
    grad_b: list[Tensor] = []
    for grad_part, x_part in in_step(grad, x, g):
        Y = g.rows(grad_part)
        if weight is not None:
            grad_x.append(g.add_strips(rows_of_input(Y, W, g)))
        if x_part is not None:
            grad_W.append(g.products(g.columns(x_part) if g.by_columns else g.strips(x_part), Y))
        if bias:
            grad_b.append(g.sum_biases(Y))
    return (
        joined(grad_x) if grad_x else None,
        g.sum_diagonals(sum(grad_W[1:], grad_W[0])) if grad_W else None,
        sum(grad_b[1:], grad_b[0]) if grad_b else None,
    )


def gradients_by_mirror(grad: Tensor, g: Geometry, weight: Tensor, x: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """ȳ and W -> x̄; and if x is given, W̄. See the mirror in conv_products.py."""
    W, grad_x, grad_W = g.matrices(mirrored(weight)), [], []
    for grad_part, x_part in in_step(grad, x, g):
        Z = g.strips(grad_part)
        grad_x.append(g.image(rows_of_output(g.shifted(Z), W)))
        if x_part is not None:
            grad_W.append(g.products(Z, g.rows(x_part)))
    return joined(grad_x), mirrored(g.sum_diagonals(sum(grad_W[1:], grad_W[0]))) if grad_W else None


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
    x: Sizes,
    weight: Sizes,
    bias: Sizes | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Geometry:
    """What is fastest, by measurement, for x, W and b of these shapes; refuses what torch refuses."""
    check(x, weight, bias, stride, padding, dilation, groups)
    options = x[2:], weight, stride, padding, dilation, groups
    output = geometry(*options).output
    # Narrow products are slow: at least 16 columns. Windows of few channels are slow to copy: 2 to 4 neighbours share
    # one, for 64 columns, or 32 where a kernel has many rows. Rather more than a remainder.
    each, few, tall = weight[0] // groups, weight[1] < FEW, len(output) > 1 and weight[2] > 4
    block = max(-(-16 // each), min(max(-(-(32 if tall else 64) // each), 2), 4) if few else 1)
    block = next((b for b in range(block, 2 * block) if output[-1] % b == 0), block)
    block = min(block, output[-1]) if dilation[-1] == 1 else 1
    # Shifts make a product for each row of the kernel: not where those are narrow, or where y has but one row, and with
    # few channels only where they save many copies. The only dimension of a line goes by windows.
    width = (weight[-1] + stride[-1] * (block - 1)) * weight[1]
    pays = tall and width > 32 >= block * each if few else width > 64
    shift = len(output) > 1 and output[0] > 1 and pays
    return geometry(*options, block, shift, mirror=block == 1)


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
        warn("padding='same' is uneven here: there is one more zero on the right", stacklevel=3)
    shape = None if bias is None else bias.shape
    x, weight, bias = autocast(x, weight, bias)
    g = plan(known(x.shape), weight.shape, shape, stride, amounts, dilation, groups)
    if weight.shape[2:] == x.shape[2:] and groups == 1 and not any(amounts):
        y = LinearFn.apply(x.flatten(1), weight.flatten(1), bias)  # one window: the whole of x
        return y[(..., *(None for _ in range(dims)))]
    return ConvFn.apply(x, weight, bias, g)
