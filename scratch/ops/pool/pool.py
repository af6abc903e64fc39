"""Pooling: each window of each channel becomes one number, its maximum or its mean, in any number of dimensions.

Shapes:     x (N, C, *S)   X (N, C, K, *L), the K numbers of each window side by side: im2col of fold.py   y (N, C, *L)
            X[…, k, l] = x[…, s·l + d·k − p]   stride s, dilation d, padding p, which stands for −∞, or for 0 in means
            j (N, C, *L) the place of a number in x, counted row by row; with two dimensions h·W + w

Maximum:    y[l] = max X[k, l] over k                                                                  (1)
            k[l] = the first k, in row-major order, with X[k, l] = y[l];   j[l] its place                (2)
Tangent:    ẏ[l] = Ẋ[k[l], l]                                                                        (3)
Adjoint:    X̄[k, l] = ȳ[l] where k = k[l], else 0;   x̄ = col2im(X̄)                                     (4)
Saved:      x; by the fast form with indices j.   Recomputed: X, k.
Kinks:      of equal maxima the first one counts, as in PyTorch. A NaN is larger than all, and the last NaN of a window
            counts. A window of −∞ alone takes its first number that does not lie before the image; a window that lies
            in the padding altogether, as one with gaps may, has y = −∞ and gives ȳ to nobody.

Mean:       y = Σ_k X[k, l] / m,   m one number, or one for each window                                (5)
            m counts a window's numbers with the padding, or without it (count_include_pad=False)        (6)
Tangent:    ẏ = Σ_k Ẋ[k, l] / m                                                                      (7)
Adjoint:    X̄[k, l] = ȳ[l] / m;   x̄ = col2im(X̄)                                                       (8)
Saved:      m.   Kinks: none.

Fast form:  pool_fast.py
Errors:     see scratch/nn/functional/pool.py.
Reference:  torch.nn.functional.max_pool2d and avg_pool2d, and the same in 1 and 3 dimensions. Differs: max_pool1d
            takes integers, too.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998), mean;
            Riesenhuber and Poggio, Hierarchical models of object recognition in cortex (1999), maximum.
"""

import math

import torch
from torch import Tensor

from scratch.ops.conv.fold import col2im, im2col
from scratch.ops.conv.window import Sizes, Windows
from scratch.ops.core.function import Function
from scratch.ops.pool import pool_fast


def columns(x: Tensor, windows: Windows, outside: float = 0) -> Tensor:
    """x -> X (N, C, K, *L)"""
    return im2col(x, windows, outside).flatten(2, 1 + len(windows.kernel))


def uncolumns(X_bar: Tensor, windows: Windows) -> Tensor:
    """The adjoint of `columns`: X̄ (N, C, K, *L) -> x̄"""
    return col2im(X_bar.unflatten(2, windows.kernel), windows)


def coordinates(windows: Windows, device: torch.device) -> Tensor:
    """s·l + d·k − p along each of the dimensions: (dims, K, *L)"""
    lefts = windows.padding[-2::-2]
    axes = [torch.arange(-left, size - left, device=device) for left, size in zip(lefts, windows.padded, strict=True)]
    return columns(torch.stack(torch.meshgrid(*axes, indexing="ij"))[None], windows.unpadded)[0]


def places(windows: Windows, device: torch.device) -> Tensor:
    """j of each number of X: (K, *L)"""
    j = torch.zeros((), dtype=torch.int64, device=device)
    for at, size in zip(coordinates(windows, device), windows.size, strict=True):
        j = j * size + at
    return j


def first_maximum(X: Tensor, windows: Windows) -> Tensor:
    """(2): k (N, C, 1, *L)"""
    K, begun = X.shape[2], (coordinates(windows, X.device) >= 0).all(0)
    order = torch.arange(K, device=X.device).view(-1, *(1 for _ in windows.kernel))
    best = (X.amax(2, keepdim=True) == X) & begun
    rank = torch.where(X.isnan(), K + order, torch.where(best, K - order, 0))
    return rank.argmax(2, keepdim=True)


class MaxPoolFn(Function):
    fast_value, fast_adjoint = staticmethod(pool_fast.maximum), staticmethod(pool_fast.maximum_adjoint)
    fast_if = staticmethod(pool_fast.not_long)

    @staticmethod
    def value(x, windows):
        return columns(x, windows, lowest(x)).amax(2)  # (1)

    @staticmethod
    def tangent(x_dot, x, windows):
        k = first_maximum(columns(x, windows, lowest(x)), windows)
        return columns(x_dot, windows).gather(2, k).squeeze(2)  # (3)

    @staticmethod
    def adjoint(y_bar, x, windows):
        k = first_maximum(columns(x, windows, lowest(x)), windows)
        order = torch.arange(math.prod(windows.kernel), device=x.device).view(-1, *(1 for _ in windows.kernel))
        return uncolumns(torch.where(order == k, y_bar.unsqueeze(2), 0), windows)  # (4)


class MaxPoolWithIndicesFn(Function):
    outputs = ("y", "j")
    tangent, adjoint = staticmethod(MaxPoolFn.tangent), staticmethod(MaxPoolFn.adjoint)
    fast_value, fast_adjoint = staticmethod(pool_fast.argmax), staticmethod(pool_fast.argmax_adjoint)
    fast_if = staticmethod(pool_fast.not_long)

    @staticmethod
    def value(x, windows):
        X = columns(x, windows, lowest(x))
        k = first_maximum(X, windows)  # (2)
        j = places(windows, x.device).expand(X.shape).gather(2, k)
        return X.gather(2, k).squeeze(2), j.squeeze(2)


def lowest(x: Tensor) -> float:
    return -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min


class AvgPoolFn(Function):
    keeps = ("last",)
    fast_value, fast_adjoint = staticmethod(pool_fast.mean), staticmethod(pool_fast.mean_adjoint)
    fast_if = staticmethod(pool_fast.not_long)

    @staticmethod
    def value(x, m, windows):
        return columns(x, windows).sum(2) / m  # (5)

    @staticmethod
    def tangent(x_dot, m, windows):
        return columns(x_dot, windows).sum(2) / m  # (7)

    @staticmethod
    def adjoint(y_bar, m, windows):
        X_bar = (y_bar / m).unsqueeze(2).expand(*y_bar.shape[:2], math.prod(windows.kernel), *windows.output)
        return uncolumns(X_bar, windows)  # (8)


def counts(windows: Windows, padding: Sizes, device: torch.device) -> Tensor | int:
    """(6): m, where the numbers of that much padding count."""
    widest = [p for p in reversed(padding) for _ in range(2)]  # (left, right) of the last dimension, and so on
    if all(amount <= most for amount, most in zip(windows.padding, widest, strict=True)):
        return math.prod(windows.kernel)
    axes = zip(coordinates(windows, device), windows.size, padding, strict=True)
    return torch.stack([(at >= -p) & (at < n + p) for at, n, p in axes]).all(0).sum(0)


def max_pool(x: Tensor, windows: Windows) -> Tensor:
    """The maximum of each window of x (N, C, *S). See the module's page."""
    return MaxPoolFn.apply(x, windows)


def max_pool_with_indices(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    """The maximum of each window of x (N, C, *S), and its place. See the module's page."""
    return MaxPoolWithIndicesFn.apply(x, windows)


def avg_pool(x: Tensor, windows: Windows, m: Tensor | float) -> Tensor:
    """The sum of each window of x (N, C, *S), divided by m. See the module's page."""
    return AvgPoolFn.apply(x, m, windows).to(x.dtype)  # means of whole numbers are cut off to such
