"""The fast form of a convolution: the arrays x, W and y as matrices Z, W⁺ and Y, and back.

Symbols as in conv.py. (1), (3) and (4) are its formulas of y, x̄ and W̄.

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
Columns:    (4) multiplies Zᵀ. Where a window has few numbers, Z is made for it in this order of memory: each column is
            x itself, shifted, and is copied in runs of a line and more, where a row is copied window by window.

Mirror:     With stride 1, (3) is (1) again: ȳ convolved with the mirrored kernel, the two kinds of channels exchanged,
            x̄ = conv(ȳ, W°),   W°[c, o, k] = W[o, c, K−1−k],   with a padding of d(K−1) − p             (8)
            Instead of adding windows to where they were read, it reads those of ȳ, and they serve (4) as well:
            W̄°[k] = Σ_l Z°[l + d·k]ᵀ X[l],   Z° the windows of ȳ, X the rows of x.                      (9)

`geometry` with B = 1, without shifts and mirror, copies all windows; tests prove that the other forms give the same.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scratch.ops.conv import winograd
from scratch.ops.conv.pad import constant_pad
from scratch.ops.conv.window import FEW, Sizes, Windows, add_windows, channels_last, windows
from scratch.ops.core import layout
from scratch.ops.core.dtype import wide_type, widen
from scratch.ops.core.product import add_product, product


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
    lines: int  # L
    shifts: tuple[tuple[int, int], ...]  # d·k for each k, divided by s: the quotient and the remainder
    # The dimensions that go by windows, with the B neighbours in the last of them counted in:
    size: tuple[int, ...]  # S
    windows: tuple[int, ...]  # L'
    window: tuple[int, ...]  # K'
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    block: int  # B
    mirror: Any = None  # the geometry of (8), where x̄ and W̄ are to be had by it

    @property
    def shifting(self) -> bool:
        """Whether a dimension goes by shifts."""
        return len(self.size) < len(self.kernel)

    @property
    def reordered(self) -> bool:
        """Whether the rows of Z and Y lie in another order than the numbers of x and y."""
        return bool(self.groups) or self.shifting

    @property
    def by_columns(self) -> bool:
        """Whether `window_columns` is faster for (4): no dimension goes by shifts, and the channels are few."""
        return not self.shifting and self.channels < FEW * math.prod(self.groups)

    # The three arrays as matrices, and back. If there are groups, they are the first dimension of each matrix.

    def padded_x(self, x: Tensor) -> Tensor:
        """x (N, C, *S) with its padding, as (N, *S, C): a window is then one run of numbers."""
        return constant_pad(channels_last(x), (0, 0, *self.padding)).contiguous()

    def cropped(self, x: Tensor) -> Tensor:
        """The adjoint of `padded_x`, but for the order of the dimensions: x̄ (N, *S, C) without its padding."""
        return constant_pad(x, (0, 0, *(-amount for amount in self.padding)))

    def window_rows(self, x: Tensor) -> Tensor:
        """x (N, C, *S) -> Z (s, G, S/s·N·L', K'·C/G)."""
        x = self.padded_x(x)
        groups, rest = len(self.groups), len(self.size)
        c = x.shape[-1] // math.prod(self.groups)
        if self.reordered:
            z = x.view(x.shape[0], self.steps, self.step, *self.size, *self.groups, c)
            z = z.permute(2, *range(3 + rest, 3 + rest + groups), 1, 0, *range(3, 3 + rest), -1)
        else:
            z = x.view(1, 1, *x.shape)
        # (s, G, S/s, N, *S, C/G). One dimension at a time, the last first: so the next is copied in longer runs.
        for k, o, s, d in self.last_first:
            z = windows(z, 2 + groups + rest, (k, d), (o, s), 3 + groups).contiguous()
            # (…, N, *L' so far, *S, *K' so far, C/G)
        return z.view(
            self.step, *self.groups, self.steps * x.shape[0] * math.prod(self.windows), math.prod(self.window) * c
        )

    def window_columns(self, x: Tensor) -> Tensor:
        """x (N, C, *S) -> the same Z (1, G, N·L', K'·C/G), column by column in memory, where no dimension goes by
        shifts."""
        x = self.padded_x(x)
        groups, rest = len(self.groups), len(self.size)
        c = x.shape[-1] // math.prod(self.groups)
        z = x.view(*x.shape[:-1], *self.groups, c) if self.groups else x
        z = z.permute(*range(1 + rest, 1 + rest + groups), -1, *range(1 + rest))  # (G, C/G, N, *S)
        for k, o, s, d in self.last_first:
            z = windows(z, 1 + groups + rest, (o, s), (k, d), groups).contiguous()
            # (G, *K' so far, C/G, N, *S, *L' so far)
        return z.view(1, *self.groups, math.prod(self.window) * c, x.shape[0] * math.prod(self.windows)).mT

    @property
    def last_first(self) -> Iterator[tuple[int, int, int, int]]:
        """(K', L', stride, dilation) of the dimensions that go by windows."""
        return zip(self.window[::-1], self.windows[::-1], self.stride[::-1], self.dilation[::-1], strict=True)

    def shifted(self, Z: Tensor) -> list[Tensor]:
        """The blocks of rows Z[s·l + d·k] (G, L·N·L', K'·C/G) for all l, for each k."""
        if not self.shifting:
            return [Z.squeeze(0)]
        step, each = Z.unbind(0), Z.shape[-2] // self.steps
        return [step[remainder].narrow(-2, quotient * each, self.lines * each) for quotient, remainder in self.shifts]

    def add_window_rows(self, Z: Tensor) -> Tensor:
        """The adjoint of `window_rows`, but for the shifts: Z̄ -> x̄ as (N, *S, C)."""
        groups, rest = len(self.groups), len(self.size)
        n, c = Z.shape[-2] // (self.steps * math.prod(self.windows)), Z.shape[-1] // math.prod(self.window)
        z = widen(Z).view(self.step, *self.groups, self.steps, n, *self.windows, *self.window, c)
        for size, s, d in zip(self.size, self.stride, self.dilation, strict=True):
            z = add_windows(z, 2 + groups + rest, 3 + groups, size, s, d)
        z = z.permute(2 + groups, 1 + groups, 0, *range(3 + groups, 3 + groups + rest), *range(1, 1 + groups), -1)
        return self.cropped(z.to(Z.dtype).reshape(n, *self.padded, self.channels))

    def rows(self, y: Tensor) -> Tensor:
        """y (N, O, *L) -> Y (G, L·N·L', B·O/G), (7). What is missing to a multiple of B is 0."""
        n, o, each = y.shape[0], y.shape[1] // math.prod(self.groups), math.prod(self.windows)
        y = constant_pad(channels_last(y), (0, 0, 0, self.windows[-1] * self.block - y.shape[-1]))
        if self.reordered:
            y = y.reshape(n, self.lines, each, self.block, *self.groups, o)
            y = y.permute(*range(4, 4 + len(self.groups)), 1, 0, 2, 3, -1)  # (G, L, N, L', B, O/G)
        return y.reshape(*self.groups, self.lines * n * each, self.block * o)

    def image(self, Y: Tensor) -> Tensor:
        """The inverse of `rows`, which is its adjoint: Y -> y as (N, *L, O)."""
        groups, each, o = len(self.groups), math.prod(self.windows), Y.shape[-1] // self.block
        n = Y.shape[-2] // (self.lines * each)
        if self.reordered:
            Y = Y.view(*self.groups, self.lines, n, each, self.block, o)
            Y = Y.permute(1 + groups, groups, 2 + groups, 3 + groups, *range(groups), -1)  # (N, L, L', B, G, O/G)
        y = Y.reshape(n, *self.output[:-1], self.windows[-1] * self.block, math.prod(self.groups) * o)
        return y if y.shape[-2] == self.output[-1] else y.narrow(-2, 0, self.output[-1])

    def biases(self, bias: Tensor) -> Tensor:
        """b (O,) -> the row that is added to each of Y (B·O,) or (G, 1, B·O/G)."""
        return torch.cat([bias.view(*self.groups, 1, -1) if self.groups else bias] * self.block, -1)

    def sum_biases(self, Y: Tensor) -> Tensor:
        """The adjoint of adding `biases`: Ȳ -> b̄ (O,)."""
        return Y.sum(-2, dtype=wide_type(Y)).view(*self.groups, self.block, -1).sum(-2).reshape(-1)

    def diagonals(self, wide: Tensor) -> Tensor:
        """W⁺ (K, G, K'·C/G, B·O/G) -> the view of W⁺[…, s·j + k, c; j, o] in the order of W, and then j:
        (G, O/G, C/G, *K, B)."""
        (shift, *groups, row, column), s = wide.stride(), self.stride[-1] // self.block
        c, o = wide.shape[-2] // math.prod(self.window), wide.shape[-1] // self.block
        along = [row * c * math.prod(self.window[axis:]) for axis in range(1, 1 + len(self.window))]
        return wide.as_strided(
            (*self.groups, o, c, *self.kernel, self.block),
            (*groups, column, row, *[shift] * self.shifting, *along, s * along[-1] + o * column),
        )

    def matrices(self, weight: Tensor) -> list[Tensor]:
        """W (O, C/G, *K) -> W⁺[k] (G, K'·C/G, B·O/G) for each shift k, (6)."""
        outputs, channels, *kernel = weight.shape
        each = weight.view(*self.groups, outputs // math.prod(self.groups), channels, *kernel)
        rows, columns = math.prod(self.window) * channels, self.block * (outputs // math.prod(self.groups))
        wide = weight.new_zeros(len(self.shifts), *self.groups, rows, columns)
        self.diagonals(wide).copy_(each[..., None])
        return list(wide.unbind(0))

    def sum_diagonals(self, wide: Tensor) -> Tensor:
        """The adjoint of `matrices`: (K, G, K'·C/G, B·O/G) -> W̄ (O, C/G, *K)."""
        W = self.diagonals(wide).sum(-1)
        return W.reshape(W.shape[0] * W.shape[1], *W.shape[2:]) if self.groups else W

    def products(self, Z: Tensor, Y: Tensor) -> Tensor:
        """Z[s·l + d·k]ᵀ Ȳ[l] (K, G, K'·C/G, B·O/G) for all k."""
        first, *others = [product(z.mT, Y) for z in self.shifted(Z)]
        return torch.stack([first, *others]) if others else first[None]


def mirrored(weight: Tensor) -> Tensor:
    """W -> W° of (8), and back."""
    return weight.flip(list(range(2, weight.dim()))).transpose(0, 1)


def geometry(
    weight: Sizes, places: Windows, groups: int, block: int = 1, shift: bool = False, mirror: bool = False
) -> Geometry:
    """From the shape of W: B neighbours together, and the first dimension by shifts, or all by windows; for the
    gradients by the mirror, where there is one."""
    size, kernel, stride, padding, dilation = places
    padded, output = list(places.padded), places.output
    reach = (d * (k - 1) for k, d in zip(kernel[::-1], dilation[::-1], strict=True) for _ in ("left", "right"))
    borders = tuple(r - p for r, p in zip(reach, padding, strict=True))
    if mirror and {*stride, groups} == {1} and min(borders) >= 0:
        there = Windows(output, kernel, stride, borders, dilation)
        reverse = geometry((weight[1], weight[0], *kernel), there, 1)
    else:
        reverse = None
    # A single window may as well step by its own size, which `add_windows` does at once.
    if block == 1:
        stride = tuple(k if n == 1 else s for s, n, k in zip(stride, output, kernel, strict=True))
    windows_ = (*output[:-1], -(-output[-1] // block))
    window = (*kernel[:-1], kernel[-1] + stride[-1] * (block - 1))
    strides = (*stride[:-1], stride[-1] * block)
    padded[-1] = strides[-1] * (windows_[-1] - 1) + dilation[-1] * (window[-1] - 1) + 1  # what is read
    step, steps, lines, rest = 1, 1, 1, slice(None)
    shifts: tuple[tuple[int, int], ...] = ((0, 0),)
    if shift:
        step, lines, rest = stride[0], output[0], slice(1, None)
        shifts = tuple(divmod(dilation[0] * k, step) for k in range(kernel[0]))
        steps = shifts[-1][0] + lines
        padded[0] = step * steps
    amounts = [(left, n - m - left) for m, n, left in zip(size, padded, padding[-2::-2], strict=True)]
    return Geometry(
        padding=tuple(amount for pair in reversed(amounts) for amount in pair),
        padded=tuple(padded),
        output=output,
        kernel=kernel,
        channels=weight[1] * groups,
        groups=(groups,) if groups > 1 else (),
        step=step,
        steps=steps,
        lines=lines,
        shifts=shifts,
        size=tuple(padded[rest]),
        windows=windows_[rest],
        window=window[rest],
        stride=strides[rest],
        dilation=tuple(dilation[rest]),
        block=block,
        mirror=reverse,
    )


CACHE = 2**20  # numbers of Z made at a time


def parts(images: Tensor, g: Geometry) -> Sequence[Tensor]:
    """The batch in parts of equal size, whose Z fits in a cache."""
    n = images.shape[0]
    count = n * g.channels * math.prod((g.steps, g.step, *g.windows, *g.window)) // CACHE + 1
    return images.split(-(-n // count)) if count > 1 else [images]


def together(grad: Tensor, x: Tensor | None, g: Geometry) -> Iterator[tuple[Tensor, Tensor | None]]:
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
    Z = (g.shifted(g.window_rows(part)) for part in parts(x, g))
    return joined([g.image(rows_of_output(z, W, b)) for z in Z])


def rows_of_input(Y: Tensor, W: list[Tensor], g: Geometry) -> Tensor:
    """Z̄, where each block of rows Z[k] gets Ȳ W[k]ᵀ: added up where blocks overlap."""
    if len(W) == 1 and g.step == 1:
        return product(Y, W[0].mT)[None]
    Z = Y.new_zeros(g.step, *g.groups, Y.shape[-2] // g.lines * g.steps, W[0].shape[-2])
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
    for grad_part, x_part in together(grad, x, g):
        Y = g.rows(grad_part)
        if weight is not None:
            grad_x.append(g.add_window_rows(rows_of_input(Y, W, g)))
        if x_part is not None:
            grad_W.append(widen(g.products(g.window_columns(x_part) if g.by_columns else g.window_rows(x_part), Y)))
        if bias:
            grad_b.append(g.sum_biases(Y))
    return (
        joined(grad_x) if grad_x else None,
        g.sum_diagonals(sum(grad_W[1:], grad_W[0])) if grad_W else None,
        sum(grad_b[1:], grad_b[0]) if grad_b else None,
    )


def gradients_by_mirror(grad: Tensor, g: Geometry, weight: Tensor, x: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """ȳ and W -> x̄; and if x is given, W̄. By (8) and (9)."""
    W, grad_x, grad_W = g.matrices(mirrored(weight)), [], []
    for grad_part, x_part in together(grad, x, g):
        Z = g.window_rows(grad_part)
        grad_x.append(g.image(rows_of_output(g.shifted(Z), W)))
        if x_part is not None:
            grad_W.append(widen(g.products(Z, g.rows(x_part))))
    return joined(grad_x), mirrored(g.sum_diagonals(sum(grad_W[1:], grad_W[0]))) if grad_W else None


@lru_cache
def plan(weight: Sizes, places: Windows, groups: int) -> Geometry:
    """What is fastest, by measurement, for a weight of this shape and windows in these places."""
    output, dilation, stride = places.output, places.dilation, places.stride
    # Narrow products are slow: at least 16 columns. Windows of few channels are slow to copy: 2 to 4 neighbours share
    # one, for 64 columns, or 32 where a kernel has many rows; a few more of them where that leaves no remainder.
    each, few, tall = weight[0] // groups, weight[1] < FEW, len(output) > 1 and weight[2] > 4
    block = max(-(-16 // each), min(max(-(-(32 if tall else 64) // each), 2), 4) if few else 1)
    block = next((b for b in range(block, 2 * block) if output[-1] % b == 0), block)
    block = min(block, output[-1]) if dilation[-1] == 1 else 1
    # Shifts make a product for each row of the kernel: not where those are narrow, or where y has but one row, and with
    # few channels only where they save many copies. The only dimension of a line goes by windows.
    width = (weight[-1] + stride[-1] * (block - 1)) * weight[1]
    pays = tall and width > 32 >= block * each if few else width > 64
    shift = len(output) > 1 and output[0] > 1 and pays
    return geometry(weight, places, groups, block, shift, mirror=block == 1)


@lru_cache
def plan_transposed(weight: Sizes, places: Windows, groups: int) -> Geometry:
    """The same for the convolution of which a transposed one is the input gradient."""
    shift = (
        len(places.size) > 1 and places.output[0] > 1 and weight[-1] * weight[1] > 24
    )  # else the products are narrow
    return geometry(weight, places, groups, shift=shift)


def suits(x, W, b, windows, groups):
    """Whether this is faster than the page's own formulas. Windows of one place need no copies, and then it is not; but
    there each image has a W̄ of its own, which is to be no larger than the image, and the channels lie first."""
    numbers, places = W.shape[0] * W.shape[1], math.prod(windows.output)
    single = math.prod(windows.kernel) == groups == 1 and not any(windows.padding)
    return not single or numbers > sum(W.shape[:2]) * places or layout.channels_last(x)


def one_window(places: Windows, groups: int) -> bool:
    """Whether a single window is all of x: a linear map."""
    return places.kernel == places.size and groups == 1 and not any(places.padding)


def value(x, W, b, windows, groups):
    if one_window(windows, groups):
        return product(x.flatten(1), W.flatten(1).t(), b).view(*x.shape[:1], W.shape[0], *windows.output)
    if winograd.pays(x, W, windows, groups):
        y = winograd.convolve(x, W, b, windows)
    else:
        y = convolve(x, W, b, plan(W.shape, windows, groups))
    return layout.follow(y, x, W)


def adjoint(needs, y_bar, x, W, windows, groups):
    if one_window(windows, groups):
        Y = y_bar.flatten(1)
        x_bar = product(Y, W.flatten(1)).view(x.shape) if needs[0] else None
        W_bar = product(Y.t(), x.flatten(1)).view(W.shape) if needs[1] else None
        return x_bar, W_bar, Y.sum(0) if needs[2] else None
    if winograd.pays(x, W, windows, groups):
        x_bar = winograd.input_gradient(y_bar, W, windows) if needs[0] else None
        W_bar = winograd.weight_gradient(y_bar, x, windows) if needs[1] else None
        return x_bar, W_bar, y_bar.sum((0, 2, 3)) if needs[2] else None
    g = plan(W.shape, windows, groups)
    return gradients(y_bar, g, W if needs[0] else None, x if needs[1] else None, needs[2])


def value_transposed(x, W, b, windows, groups):
    y = layout.follow(gradients(x, plan_transposed(W.shape, windows, groups), W, None)[0], x, W)
    return y if b is None else y + b.view(-1, *(1 for _ in windows.kernel))


def adjoint_transposed(needs, y_bar, x, W, windows, groups):
    g = plan_transposed(W.shape, windows, groups)
    x_bar = convolve(y_bar, W, None, g) if needs[0] else None
    W_bar = gradients(x, g, None, y_bar)[1] if needs[1] else None
    return x_bar, W_bar, y_bar.sum([0, *range(2, y_bar.dim())]) if needs[2] else None
