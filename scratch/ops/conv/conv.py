"""Convolution (in deep learning's sense: a cross-correlation), for any number of spatial dimensions.

Shapes:     x (N, C, *S)   W (O, C/G, *K)   b (O,) or None   y (N, O, *L)
            G groups, each its own convolution: the sums below are over one. d dilation, s stride, p padding.
Formula:    y[n, o, l] = b[o] + Σ_ck W[o, c, k] x[n, c, s·l + d·k − p],    x being 0 outside            (1)
Tangent:    ẏ = conv(ẋ, W) + conv(x, Ẇ) + ḃ                                                            (2)
Adjoint:    ⟨ȳ, conv(x, W)⟩ = Σ ȳ[n, o, l] W[o, c, k] x[n, c, s·l + d·k − p] is linear in each of
            its three factors, and each gradient leaves out one of them:
            x̄[n, c, i] = Σ_olk ȳ[n, o, l] W[o, c, k]  over all l, k with s·l + d·k − p = i              (3)
            W̄[o, c, k] = Σ_nl  ȳ[n, o, l] x[n, c, s·l + d·k − p]                                       (4)
            b̄[o]       = Σ_nl  ȳ[n, o, l]                                                             (5)
            (3) is the transposed convolution.
Products:   With the windows of x as columns X, and W and y read as matrices, these are the formulas of a linear map:
            y = W X   (6)      X̄ = Wᵀ ȳ   (7)      W̄ = Σ_n ȳ Xᵀ   (8)
            X is im2col(x), and x̄ is col2im(X̄): see fold.py.
Saved:      x, W.   Recomputed: X.
Fast form:  conv_fast.py; winograd.py for kernels of 3 × 3 and many channels
Kinks:      none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv1d, conv2d, conv3d. Differs: in the fast form a NaN or an infinity in x also
            reaches the neighbours computed with those whose window has it; without input channels y = b, and has O
            channels.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998);
            Chellapilla, Puri and Simard, High performance convolutional neural networks for document
            processing (2006), for (6).
"""

import math

from torch import Tensor

from scratch.ops.conv import conv_fast
from scratch.ops.conv.fold import col2im, im2col
from scratch.ops.conv.window import Windows
from scratch.ops.core.dtype import autocast
from scratch.ops.core.function import Function


def correlate(x: Tensor, W: Tensor, windows: Windows, groups: int) -> Tensor:
    """(1) without b: x, W -> y."""
    y = kernels(W, groups) @ columns(x, windows, groups)  # (6)
    return y.reshape(x.shape[0], W.shape[0], *windows.output)


def input_gradient(y_bar: Tensor, W: Tensor, windows: Windows, groups: int) -> Tensor:
    """(3): ȳ, W -> x̄."""
    X_bar = kernels(W, groups).mT @ rows(y_bar, groups)  # (7)
    X_bar = X_bar.reshape(y_bar.shape[0], groups * W.shape[1], *windows.kernel, *windows.output)
    return col2im(X_bar, windows)


def weight_gradient(y_bar: Tensor, x: Tensor, windows: Windows, groups: int) -> Tensor:
    """(4): ȳ, x -> W̄."""
    W_bar = (rows(y_bar, groups) @ columns(x, windows, groups).mT).sum(0)  # (8)
    return W_bar.reshape(y_bar.shape[1], x.shape[1] // groups, *windows.kernel)


def columns(x: Tensor, windows: Windows, groups: int) -> Tensor:
    """X as matrices (N, G, C/G·K, L)"""
    width = x.shape[1] // groups * math.prod(windows.kernel)
    return im2col(x, windows).reshape(x.shape[0], groups, width, math.prod(windows.output))


def kernels(W: Tensor, groups: int) -> Tensor:
    """W as matrices (G, O/G, C/G·K)"""
    return W.reshape(groups, W.shape[0] // groups, W.shape[1:].numel())


def rows(y: Tensor, groups: int) -> Tensor:
    """y as matrices (N, G, O/G, L)"""
    return y.reshape(y.shape[0], groups, y.shape[1] // groups, y.shape[2:].numel())


def over_places(b: Tensor, windows: Windows) -> Tensor:
    """b (O,) as it is added to y"""
    return b.reshape(-1, *(1 for _ in windows.kernel))


def sum_over_places(y_bar: Tensor) -> Tensor:
    """(5): ȳ -> b̄"""
    return y_bar.sum([0, *range(2, y_bar.dim())])


class ConvFn(Function):
    """x, W, b, where the windows lie, and the number of groups -> y."""

    fast_if, fast_value = staticmethod(conv_fast.suits), staticmethod(conv_fast.value)
    fast_adjoint = staticmethod(conv_fast.adjoint)

    @staticmethod
    def value(x, W, b, windows, groups):
        y = correlate(x, W, windows, groups)  # (1)
        return y if b is None else y + over_places(b, windows)

    @staticmethod
    def tangent(x_dot, W_dot, b_dot, x, W, windows, groups):
        y_dot = correlate(x_dot, W, windows, groups) + correlate(x, W_dot, windows, groups)  # (2)
        return y_dot + (over_places(b_dot, windows) if isinstance(b_dot, Tensor) else 0)

    @staticmethod
    def adjoint(y_bar, x, W, windows, groups):
        x_bar = input_gradient(y_bar, W, windows, groups)  # (3)
        W_bar = weight_gradient(y_bar, x, windows, groups)  # (4)
        return x_bar, W_bar, sum_over_places(y_bar)  # (5)


def conv(x: Tensor, W: Tensor, b: Tensor | None, windows: Windows, groups: int) -> Tensor:
    """y (N, O, *L) for x (N, C, *S), W (O, C/G, *K) and b (O,) or None. See the module's page."""
    return ConvFn.apply(*autocast(x, W, b), windows, groups)
