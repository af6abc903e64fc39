"""Max-unpooling: the maxima put back where they were found, and 0 everywhere else.

Shapes:     x (N, C, *L)   j (N, C, *L)   y (N, C, *S)
Formula:    y[j[l]] = x[l],   j the places in y, counted row by row, that max-pooling returns; the others 0      (1)
Tangent:    (1) itself with ẏ and ẋ.                                                                        (2)
Adjoint:    x̄[l] = ȳ[j[l]]                                                                                (3)
Saved:      j.
Kinks:      where two have the same place the last one stands in y, though by (3) all get the gradient, as in PyTorch.
Errors:     RuntimeError for places outside y; see scratch/nn/functional/pool.py for others.
Reference:  torch.nn.functional.max_unpool1d, max_unpool2d, max_unpool3d. Differs: nothing.
Source:     Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid and high level feature learning (2011).
"""

import math

from torch import Tensor

from scratch.ops.conv.window import Sizes
from scratch.ops.core.function import Function


class MaxUnpoolFn(Function):
    wide = False

    @staticmethod
    def value(x, j, size):
        y = x.new_zeros(*x.shape[:2], math.prod(size))
        return y.scatter(2, j.flatten(2), x.flatten(2)).unflatten(2, size)  # (1); refuses places outside y

    @staticmethod
    def tangent(x_dot, j, size):
        return MaxUnpoolFn.value(x_dot, j, size)  # (2)

    @staticmethod
    def adjoint(y_bar, j):
        return y_bar.flatten(2).gather(2, j.flatten(2)).view(j.shape)  # (3)


def max_unpool(x: Tensor, j: Tensor, size: Sizes) -> Tensor:
    """y (N, C, *size) of x and j (N, C, *L). See the module's page."""
    return MaxUnpoolFn.apply(x, j, tuple(size))
