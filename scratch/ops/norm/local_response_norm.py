"""Local response normalisation: every number is damped by the squares of its neighbours in other channels.

Shapes:     x, s, y (N, C, *);   Σ over the size channels n with c − ⌊size/2⌋ ≤ n ≤ c + ⌊(size−1)/2⌋, within x
Value:      s = k + (α / size) Σ x²                                                         (1)
            y = x s^−β                                                                      (2)
Tangent:    ṡ = (2 α / size) Σ x ẋ                                                          (3)
            ẏ = s^−β ẋ − β x s^(−β−1) ṡ                                                     (4)
Adjoint:    x̄ = s^−β ȳ − (2 α β / size) x Σ' ȳ x s^(−β−1)                                   (5)
            where Σ' is the transpose of Σ: the window mirrored.
Saved:      x.   Recomputed: s.
Kinks:      none.
Errors:     ValueError for fewer than 3 dimensions, RuntimeError for a size below 1.
Reference:  torch.nn.functional.local_response_norm. Differs: of int64, the one whole type that PyTorch takes, it does
            not cut the mean in (1) to a whole number.
Source:     Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional networks (2012).
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function


def neighbours(x: Tensor, before: int, after: int) -> Tensor:
    """Σ over each channel with so many before it and after it, where there are so many."""
    padded = torch.constant_pad_nd(x, [0] * (2 * (x.dim() - 2)) + [before, after])
    return padded.unfold(1, before + 1 + after, 1).sum(-1)


def damping(x, size, alpha, k):
    """s"""
    return k + alpha / size * neighbours(x * x, size // 2, (size - 1) // 2)  # (1)


class LocalResponseNormFn(Function):
    @staticmethod
    def value(x, size, alpha, beta, k):
        return x * damping(x, size, alpha, k) ** -beta  # (2)

    @staticmethod
    def tangent(x_dot, x, size, alpha, beta, k):
        s = damping(x, size, alpha, k)
        s_dot = 2 * alpha / size * neighbours(x * x_dot, size // 2, (size - 1) // 2)  # (3)
        return s**-beta * x_dot - beta * x * s ** (-beta - 1) * s_dot  # (4)

    @staticmethod
    def adjoint(y_bar, x, size, alpha, beta, k):
        s = damping(x, size, alpha, k)
        arriving = neighbours(y_bar * x * s ** (-beta - 1), (size - 1) // 2, size // 2)
        return s**-beta * y_bar - 2 * alpha * beta / size * x * arriving  # (5)


def local_response_norm(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """x (k + α mean x²)^−β, the mean over ``size`` neighbouring channels. See the module's page."""
    return LocalResponseNormFn.apply(x, size, alpha, beta, k)
