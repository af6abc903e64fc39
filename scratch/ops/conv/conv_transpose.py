"""Transposed convolution, for any number of spatial dimensions: what a convolution's gradient is to its input.

Shapes:     x (N, C, *L)   W (C, O/G, *K)   b (O,) or None   y (N, O, *S)
            S = (L − 1) s − 2p + d (K − 1) + q + 1,   with stride s, padding p, dilation d, output_padding q < s or d
Formula:    y[n, o, i] = b[o] + Σ_clk x[n, c, l] W[c, o, k]   over all l, k with s·l + d·k − p = i        (1)
            Each x puts down a copy of the kernel, times itself, every s places; p of the border is cut away, and
            beyond the end stand q places more. This is (3) of scratch/ops/conv/conv.py with x for ȳ, where C and O
            have changed places.
Tangent:    ẏ = convᵀ(ẋ, W) + convᵀ(x, Ẇ) + ḃ                                                          (2)
Adjoint:    ⟨ȳ, y⟩ is linear in ȳ, x and W as there, and the other two factors are that page's (1) and (4):
            x̄[n, c, l] = Σ_ok ȳ[n, o, s·l + d·k − p] W[c, o, k]                                           (3)
            W̄[c, o, k] = Σ_nl x[n, c, l] ȳ[n, o, s·l + d·k − p]                                           (4)
            b̄[o]       = Σ_ni ȳ[n, o, i]                                                                 (5)
Saved:      x, W.
Fast form:  conv_fast.py
Kinks:      none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv_transpose1d, conv_transpose2d, conv_transpose3d. Differs: in the fast form y has
            the channels last in memory; no images of no pixels are refused, too.
Source:     Zeiler, Krishnan, Taylor and Fergus, Deconvolutional networks (2010).
"""

from torch import Tensor

from scratch.ops.conv import conv_fast
from scratch.ops.conv.conv import correlate, input_gradient, over_places, sum_over_places, weight_gradient
from scratch.ops.conv.window import Windows
from scratch.ops.core.dtype import autocast
from scratch.ops.core.function import Function


class ConvTransposeFn(Function):
    """x, W, b, where the windows of the convolution from y to x lie, and the number of groups -> y."""

    fast_value, fast_adjoint = staticmethod(conv_fast.value_transposed), staticmethod(conv_fast.adjoint_transposed)

    @staticmethod
    def value(x, W, b, windows, groups):
        y = input_gradient(x, W, windows, groups)  # (1)
        return y if b is None else y + over_places(b, windows)

    @staticmethod
    def tangent(x_dot, W_dot, b_dot, x, W, windows, groups):
        y_dot = input_gradient(x_dot, W, windows, groups) + input_gradient(x, W_dot, windows, groups)  # (2)
        return y_dot + (over_places(b_dot, windows) if isinstance(b_dot, Tensor) else 0)

    @staticmethod
    def adjoint(y_bar, x, W, windows, groups):
        x_bar = correlate(y_bar, W, windows, groups)  # (3)
        W_bar = weight_gradient(x, y_bar, windows, groups)  # (4)
        return x_bar, W_bar, sum_over_places(y_bar)  # (5)


def conv_transpose(x: Tensor, W: Tensor, b: Tensor | None, windows: Windows, groups: int) -> Tensor:
    """y (N, O, *S) for x (N, C, *L), W (C, O/G, *K) and b (O,) or None. See the module's page."""
    return ConvTransposeFn.apply(*autocast(x, W, b), windows, groups)
