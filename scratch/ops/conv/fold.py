"""Unfold and fold, also called im2col and col2im: the windows of an array as columns, and columns added up to an array.

Shapes:     x (N, C, *S)   X (N, C, *K, *L), for any number of dimensions S
            a window K with stride s and dilation d has L = ⌊(S + 2p − d(K − 1) − 1) / s⌋ + 1 places on x with padding p
Formula:    unfold   X[n, c, k, l] = x[n, c, s·l + d·k − p],   0 outside                                  (1)
            fold     x[n, c, i] = Σ X[n, c, k, l]   over all k, l with s·l + d·k − p = i                  (2)
            Both are linear, and each is the adjoint of the other: fold(unfold(x)) counts every number as often as
            there are windows that have it.
Tangent:    (1) and (2) themselves.
Adjoint:    of (1) it is (2), of (2) it is (1).
Saved:      nothing but sizes.
Kinks:      none.
Reference:  torch.nn.functional.unfold and fold, for two dimensions, with the columns as (N, C·K, L).
            Differs: they take integers, too.
"""

import torch
from torch import Tensor

from scratch.ops.conv.window import Windows
from scratch.ops.core.function import Function


def im2col(x: Tensor, windows: Windows, outside: float = 0) -> Tensor:
    """(1): x (N, C, *S) -> X (N, C, *K, *L)."""
    x = torch.constant_pad_nd(x, windows.padding, outside)
    for axis, (k, s, d) in enumerate(windows.axes, start=2):
        x = x.unfold(axis, d * (k - 1) + 1, s)  # (N, C, *L so far, *S, *K so far)
        x = x[..., ::d] if d > 1 else x
    dims = len(windows.kernel)
    return x.permute(0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))


def col2im(X: Tensor, windows: Windows) -> Tensor:
    """(2): X (N, C, *K, *L) -> x (N, C, *S), one dimension after the other."""
    if X.is_complex():  # which slice_scatter does not differentiate
        return torch.complex(col2im(X.real, windows), col2im(X.imag, windows))
    axis = 1 + len(windows.kernel)  # of L, once its K is gone
    for size, (_, s, d) in zip(windows.padded, windows.axes, strict=True):
        if X.shape[2] > X.shape[axis + 1]:  # more numbers in a window than windows: k and l change places
            X, s, d = X.transpose(2, axis + 1), d, s
        parts = X.unbind(2)  # (N, C, *K left, *S so far, *L left) for each k of this dimension
        shape, reach = list(parts[0].shape), s * (parts[0].shape[axis] - 1) + 1
        shape[axis] = size
        zeros = X.new_zeros(shape)
        placed = [torch.slice_scatter(zeros, x, axis, d * k, d * k + reach, s) for k, x in enumerate(parts)]
        X = sum(placed[1:], placed[0])
    return torch.constant_pad_nd(X, [-amount for amount in windows.padding])


class UnfoldFn(Function):
    @staticmethod
    def value(x, windows):
        return im2col(x, windows)  # (1)

    @staticmethod
    def tangent(x_dot, windows):
        return im2col(x_dot, windows)  # (1)

    @staticmethod
    def adjoint(y_bar, windows):
        return col2im(y_bar, windows)  # (2)


class FoldFn(Function):
    @staticmethod
    def value(X, windows):
        return col2im(X, windows)  # (2)

    @staticmethod
    def tangent(X_dot, windows):
        return col2im(X_dot, windows)  # (2)

    @staticmethod
    def adjoint(y_bar, windows):
        return im2col(y_bar, windows)  # (1)


def unfold(x: Tensor, windows: Windows) -> Tensor:
    """X (N, C, *K, *L) for x (N, C, *S). See the module's page."""
    return UnfoldFn.apply(x, windows)


def fold(X: Tensor, windows: Windows) -> Tensor:
    """x (N, C, *S) for X (N, C, *K, *L). See the module's page."""
    return FoldFn.apply(X, windows)
