"""Dropout: y = x m, where each mᵢ is 0 with probability p, else 1 / (1 − p), so that y is x on average.

Shapes:     x (…)   m (…), for whole channels (N, C, 1, …)   y (…)
Value:      y = x m                                                      (1)
Tangent:    ẏ = ẋ m                                                      (2)
Adjoint:    x̄ = ȳ m                                                      (3)
Channels:   dropout1d, 2d, 3d draw one m for each channel of each example.
Alpha:      what is dropped becomes −α of SELU, its limit at −∞, and an affine map restores mean 0 and variance 1:
            y = x m + b,   m = a or 0,   b = α a p or α a (p − 1),   a = 1 / √((1 − p) (1 + p α²))    (4)
            with the same (2) and (3); α here is SELU's λ α.
Saved:      m.   Recomputed: nothing.
Kinks:      none.
Random:     one Bernoulli number for each m, drawn as torch's dropout draws it on the CPU: equal values under an equal
            seed. With p = 0 or outside training y is x itself; then, and with p = 1, nothing is drawn, and with p = 1
            y is 0.
Errors:     see scratch/nn/functional/dropout.py.
Reference:  torch.nn.functional.dropout, dropout1d, dropout2d, dropout3d, alpha_dropout, feature_alpha_dropout.
            Differs: nothing on the CPU; on a GPU torch fuses dropout's mask and product in a kernel with its own
            random stream.
Source:     Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout (2014); Tompson, Goroshin, Jain, LeCun
            and Bregler, Efficient object localization using convolutional networks (2015), for channels; Klambauer,
            Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks (2017), for alpha.
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.function import Function

ALPHA = 1.7580993408473766  # SELU's λ α


class DropoutFn(Function):
    wide = False

    @staticmethod
    def value(x, m):
        return x * m  # (1)

    @staticmethod
    def tangent(x_dot, m):
        return x_dot * m  # (2)

    @staticmethod
    def adjoint(y_bar, m):
        return y_bar * m  # (3)


def dropout(x: Tensor, p: float, channels: bool = False, alpha: bool = False) -> Tensor:
    """x m with a fresh m for each number, or for each channel. See the module's page."""
    if p == 1:
        return DropoutFn.apply(x, x.new_zeros(()))
    empty = x.new_empty(*x.shape[:2], *(1 for _ in x.shape[2:])) if channels else torch.empty_like(x)
    m = empty.bernoulli_(1 - p)
    if not alpha:
        return DropoutFn.apply(x, m.div_(1 - p))
    a = 1 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    b = (m - 1).mul_(ALPHA * a).add_(ALPHA * a * p)
    return DropoutFn.apply(x, m.mul_(a)) + b  # (4)
