"""Convolution (in deep learning's sense: a cross-correlation), for any number of spatial dimensions from two.

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

Products:   A convolution is a Linear layer on windows. The textbook copies all windows into the rows of a matrix
            X (N·L, K·C), so that Y = X W + b, X̄ = Ȳ Wᵀ, W̄ = Xᵀ Ȳ, and x̄ is X̄ with each window added back to where
            it was read. Here windows are copied along all dimensions but the first:
            Z[i] (N·L', K'·C) has the windows of row i of the padded x (rows are lines of an image)
            Y[l] = Σ_k Z[s·l + d·k] W[k] + b  (1)   Z̄[s·l + d·k] += Ȳ[l] W[k]ᵀ  (3)   W̄[k] = Σ_l Z[s·l + d·k]ᵀ Ȳ[l]  (4)
            where k runs over the first dimension of the kernel. With Z ordered by i, first those of equal i mod s,
            Z[s·l + d·k] for all l is one block of neighbouring rows: a kernel offset is a shift, and copies nothing.
Neighbours: With few channels such products are slow. So B outputs side by side in a row are computed together:
            they share one window of size K + s(B − 1) in the last dimension, for which
            W⁺[s·j + k, c; j, o] = W[o, c, k],  j < B, and 0 elsewhere                                  (6)
            y[n, o, B·l + j] = Y⁺[n·l; j, o],   Y⁺ = X⁺ W⁺                                              (7)
            This is the same convolution with a larger kernel and stride and B·O outputs, and all of the above
            holds. The adjoint of (6) sums W̄⁺ over its diagonals. B = 1 is the plain form.

Saved:      x, W.   Recomputed: Z, a few images at a time.
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
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.function import Function
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, add_windows, output_sizes, pair


class Geometry(NamedTuple):
    """All the numbers but x, W and b. Where there is a number for each dimension, "rest" leaves out the first."""

    padding: tuple[int, ...]  # (left, right) of the last dimension, then of the one before, ...
    padded: tuple[int, ...]  # S with its padding; the first dimension is a multiple of s
    output: tuple[int, ...]  # L
    kernel: tuple[int, ...]  # K
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    block: int  # B

    @property
    def rest_kernel(self) -> tuple[int, ...]:
        """K⁺ but for the first dimension."""
        return (*self.kernel[1:-1], self.kernel[-1] + self.stride[-1] * (self.block - 1))

    @property
    def rest_stride(self) -> tuple[int, ...]:
        return (*self.stride[1:-1], self.stride[-1] * self.block)

    @property
    def rest_output(self) -> tuple[int, ...]:
        """L/B, rounded up, but for the first dimension."""
        return (*self.output[1:-1], -(-self.output[-1] // self.block))

    def shift(self, k: int) -> tuple[int, slice]:
        """Where Z[s·l + d·k] stands for all l: the remainder by s, and the rows."""
        first, remainder = divmod(self.dilation[0] * k, self.stride[0])
        return remainder, slice(first, first + self.output[0])


# The three arrays as matrices, and back.


def strips(x: Tensor, g: Geometry) -> Tensor:
    """Padded x (N, C, *S) -> Z (s, G, S₁/s, N·L', K'·C/G)."""
    rest = len(g.padded) - 1
    z = x.unflatten(2, (-1, g.stride[0])).unflatten(1, (g.groups, x.shape[1] // g.groups))
    z = z.permute(4, 1, 3, 0, *range(5, 5 + rest), 2)  # (s, G, S₁/s, N, *S, C/G)
    # One dimension at a time, the last first: the next is then copied in runs as long as the windows so far.
    for k, step, d in zip(g.rest_kernel[::-1], g.rest_stride[::-1], g.dilation[:0:-1], strict=True):
        z = z.unfold(3 + rest, d * (k - 1) + 1, step)[..., ::d]
        z = z.movedim((3 + rest, -1), (4, 4 + rest)).contiguous()  # (..., N, *L' so far, *S, *K' so far, C/G)
    return z.reshape(*z.shape[:3], z.shape[3 : 4 + rest].numel(), z.shape[4 + rest :].numel())


def add_strips(Z: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `strips`: Z̄ -> padded x̄."""
    rest, c = len(g.padded) - 1, Z.shape[4] // math.prod(g.rest_kernel)
    n = Z.shape[3] // math.prod(g.rest_output)
    view = Z.view(*Z.shape[:3], n, *g.rest_output, *g.rest_kernel, c)
    view = view.permute(3, 1, 4 + 2 * rest, 2, 0, *range(4, 4 + 2 * rest))  # (N, G, C/G, S₁/s, s, *L', *K')
    x = Z.new_zeros(n, *g.padded, g.groups * c).movedim(-1, 1)
    add_windows(x, view.flatten(3, 4).flatten(1, 2), g.rest_stride, g.dilation[1:])
    return x


def rows(y: Tensor, g: Geometry) -> Tensor:
    """y (N, O, *L) -> Y (G, L₁·N·L', B·O/G), (7). What is missing to a multiple of B is 0."""
    y = constant_pad(y.movedim(1, -1), (0, 0, 0, g.rest_output[-1] * g.block - g.output[-1]))
    view = y.reshape(*y.shape[:2], math.prod(g.rest_output), g.block, g.groups, y.shape[-1] // g.groups)
    view = view.permute(4, 1, 0, 2, 3, 5)  # (G, L₁, N, L', B, O/G)
    return view.reshape(g.groups, view.shape[1:4].numel(), view.shape[4:].numel())


def images(Y: list[Tensor], g: Geometry) -> Tensor:
    """The inverse of `rows`, which is its adjoint; Y comes in parts of the batch."""
    parts = []
    for part in Y:
        n = part.shape[1] // math.prod((g.output[0], *g.rest_output))
        view = part.view(g.groups, g.output[0], n, math.prod(g.rest_output), g.block, part.shape[2] // g.block)
        parts.append(view.permute(2, 1, 3, 4, 0, 5))  # (N, L₁, L', B, G, O/G)
    y = torch.cat(parts) if len(parts) > 1 else parts[0]
    y = y.reshape(*y.shape[:2], *g.rest_output[:-1], g.rest_output[-1] * g.block, y.shape[4:].numel())
    return y.narrow(-2, 0, g.output[-1]).movedim(-1, 1)


def diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """W⁺ (K₁, G, *K', C/G, B, O/G) -> the view (K₁, G, *K', C/G, O/G, K, B) of W⁺[..., s·j + k, c; j, o], the last
    dimension of the kernel having moved."""
    return wide.unfold(-4, g.kernel[-1], g.stride[-1]).diagonal(0, -5, -3)


def matrix(weight: Tensor, g: Geometry) -> Tensor:
    """W (O, C/G, *K) -> (K₁, G, K'·C/G, B·O/G), (6)."""
    weight = weight.unflatten(0, (g.groups, weight.shape[0] // g.groups))  # (G, O/G, C/G, *K)
    o, c = weight.shape[1:3]
    wide = weight.new_zeros(g.kernel[0], g.groups, *g.rest_kernel, c, g.block, o)
    axes = (3, 0, *range(4, weight.dim() - 1), 2, 1, weight.dim() - 1)
    diagonals(wide, g).copy_(weight.permute(axes)[..., None])
    return wide.view(g.kernel[0], g.groups, math.prod(g.rest_kernel) * c, g.block * o)


def sum_diagonals(wide: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `matrix`."""
    c, o = wide.shape[2] // math.prod(g.rest_kernel), wide.shape[3] // g.block
    view = diagonals(wide.view(g.kernel[0], g.groups, *g.rest_kernel, c, g.block, o), g)
    view = view.movedim((-1, 1, -3, -4, 0), (0, 1, 2, 3, 4))  # (B, G, O/G, C/G, K₁, *K', K)
    return view.reshape(g.block, -1).sum(0).view(g.groups * o, c, *g.kernel)


# The three maps.


def add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out += a b for each group. One group goes as a plain product, which is faster."""
    if out.shape[0] == 1:
        out[0].addmm_(a[0], b[0])
    else:
        out.baddbmm_(a, b)


def pad_to(x: Tensor, g: Geometry) -> Tensor:
    """x with its padding, channels last in memory: a window is then one run of numbers."""
    return constant_pad(x.movedim(1, -1), (0, 0, *g.padding)).contiguous().movedim(-1, 1)


def parts(images: int, channels: int, g: Geometry) -> Iterator[slice]:
    """The batch in parts whose Z fits in a cache."""
    each = g.padded[0] * math.prod(g.rest_output) * math.prod(g.rest_kernel) * channels
    step = max(1, 2**19 // max(1, each))
    return (slice(first, first + step) for first in range(0, max(images, 1), step))


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, g: Geometry) -> Tensor:
    """(1): x, W, b -> y."""
    x, W, Y = pad_to(x, g), matrix(weight, g), []
    b = weight.new_zeros(1, 1, 1) if bias is None else bias.view(g.groups, 1, -1).repeat(1, 1, g.block)
    for part in parts(x.shape[0], x.shape[1], g):
        Z = strips(x[part], g)
        for k in range(g.kernel[0]):
            remainder, shifted = g.shift(k)
            z = Z[remainder, :, shifted].flatten(1, 2)
            if k == 0:
                Y.append(torch.addmm(b[0], z[0], W[0, 0])[None] if g.groups == 1 else torch.baddbmm(b, z, W[0]))
            else:
                add_product(Y[-1], z, W[k])
    return images(Y, g)


def spread(Y: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """(3): the rows of ȳ, W -> x̄."""
    W, x = matrix(weight, g).mT, []
    Y = Y.unflatten(1, (g.output[0], -1, math.prod(g.rest_output)))  # (G, L₁, N, L', B·O/G)
    for part in parts(Y.shape[2], weight.shape[1] * g.groups, g):
        y = Y[:, :, part].flatten(1, 3)
        z = y.new_zeros(g.stride[0], g.groups, g.padded[0] // g.stride[0], y.shape[1] // g.output[0], W.shape[3])
        for k in range(g.kernel[0]):
            remainder, shifted = g.shift(k)
            add_product(z[remainder, :, shifted].view(g.groups, y.shape[1], W.shape[3]), y, W[k])
        x.append(add_strips(z, g))
    full = torch.cat(x) if len(x) > 1 else x[0]
    return constant_pad(full.movedim(1, -1), (0, 0, *(-amount for amount in g.padding))).movedim(-1, 1)


def correlate(x: Tensor, Y: Tensor, g: Geometry) -> Tensor:
    """(4): x, the rows of ȳ -> W̄."""
    x = pad_to(x, g)
    Y = Y.unflatten(1, (g.output[0], x.shape[0], math.prod(g.rest_output)))  # (G, L₁, N, L', B·O/G)
    total = 0
    for part in parts(x.shape[0], x.shape[1], g):
        Z, y = strips(x[part], g), Y[:, :, part].flatten(1, 3)
        shifts = [Z[remainder, :, shifted].flatten(1, 2) for remainder, shifted in map(g.shift, range(g.kernel[0]))]
        total = total + torch.stack([times(z.mT, y) for z in shifts])
    return sum_diagonals(total, g)


def times(a: Tensor, b: Tensor) -> Tensor:
    return (a[0] @ b[0])[None] if a.shape[0] == 1 else a @ b


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
            grad_bias = Y.sum(1).view(g.groups, g.block, -1).sum(1).flatten() if needs_bias else None  # (5)
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
    padded = [n + left + right for n, left, right in zip(size, padding[-2::-2], padding[::-2], strict=True)]
    output = output_sizes(padded, kernel, stride, dilation)
    # A single window may as well step by its own size, which `add_windows` does at once.
    stride = tuple(n if length == 1 else step for n, length, step in zip(kernel, output, stride, strict=True))
    # Narrow products are slow: at least 16 columns, or 2 outputs of few channels; rather more than a remainder.
    least = max(-(-16 * groups // outputs), 2 if channels < 16 else 1)
    block = next((b for b in range(least, 2 * least) if output[-1] % b == 0), least) if dilation[-1] == 1 else 1
    block = min(block, output[-1])
    rows = stride[0] * ((kernel[0] - 1) * dilation[0] // stride[0] + output[0])  # what is read, in full strides
    width = (-(-output[-1] // block) * block - 1) * stride[-1] + dilation[-1] * (kernel[-1] - 1) + 1
    padding = (padding[0], width - size[-1] - padding[0], *padding[2:-2], padding[-2], rows - size[0] - padding[-2])
    padded = (rows, *padded[1:-1], width)
    return Geometry(padding, padded, output, tuple(kernel), tuple(stride), tuple(dilation), groups, block)


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
    g = geometry(x.shape[2:], weight.shape, *options)
    if g.output[0] > 1 and g.rest_kernel[-1] * weight.shape[1] > 24:
        return ConvFn.apply(x, weight, bias, g)
    # Rows too narrow for products of their own: the windows are copied along the first dimension, too.
    g = geometry(
        (1, *x.shape[2:]),
        (*weight.shape[:2], 1, *weight.shape[2:]),
        (1, *stride),
        (*amounts, 0, 0),
        (1, *dilation),
        groups,
    )
    return ConvFn.apply(x.unsqueeze(2), weight.unsqueeze(2), bias, g).squeeze(2)
