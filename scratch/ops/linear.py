"""Linear: y = x Wᵀ + b.

Shapes:     x (…, I)   W (O, I)   b (O,) or None, or whatever broadcasts to y   y (…, O)
Value:      y = x Wᵀ + b                                                 (1)
Tangent:    ẏ = ẋ Wᵀ + x Ẇᵀ + ḃ                                          (2)
Adjoint:    x̄ = ȳ W                                                      (3)
            W̄ = Σ ȳᵀ x   over all rows, that is, one product (O, N)(N, I)  (4)
            b̄ = Σ ȳ      over all rows                                     (5)
Saved:      x, W.   Recomputed: nothing.
Kinks:      none.
Errors:     RuntimeError where the last size of x is not I.
Reference:  torch.nn.functional.linear. Differs: nothing.
Source:     Rumelhart, Hinton and Williams, Learning representations by back-propagating errors (1986).
"""

from math import prod

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast
from scratch.ops.core.function import Function
from scratch.ops.core.product import product


def rows(x: Tensor) -> Tensor:
    """(…, I) as (N, I), also where N or I is 0."""
    return x if x.dim() == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def unrolled(rows: Tensor, shape: torch.Size) -> Tensor:
    """(N, O) as (…, O), for a shape (…, I)."""
    return rows if len(shape) == 2 else rows.view(*shape[:-1], rows.shape[-1])


class LinearFn(Function):
    @staticmethod
    def value(x, W, b):
        y = x @ W.mT  # (1)
        return y if b is None else y + b

    @staticmethod
    def tangent(x_dot, W_dot, b_dot, x, W):
        return x_dot @ W.mT + x @ W_dot.mT + b_dot  # (2)

    @staticmethod
    def adjoint(y_bar, x, W):
        x_bar = y_bar @ W  # (3)
        W_bar = rows(y_bar).mT @ rows(x)  # (4)
        b_bar = rows(y_bar).sum(0)  # (5)
        return x_bar, W_bar, b_bar

    @staticmethod
    def fast_value(x, W, b):
        return unrolled(product(rows(x), W.t(), b), x.shape)

    @staticmethod
    def fast_adjoint(needs, y_bar, x, W):
        y_bar = rows(y_bar)
        x_bar = unrolled(product(y_bar, W), x.shape) if needs[0] else None
        W_bar = product(y_bar.t(), rows(x)) if needs[1] else None
        return x_bar, W_bar, y_bar.sum(0) if needs[2] else None


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b with x (…, I), W (O, I), b (O,). See the module's page."""
    if input.dim() == 0:
        raise RuntimeError("linear takes rows of numbers, but got a number without dimensions")
    if weight.dim() == 1:  # one output unit without its dimension, as torch takes it
        if bias is not None and bias.dim():
            raise RuntimeError(f"a weight of one dimension takes no bias {list(bias.shape)}")
        return linear(input, weight[None], bias).squeeze(-1)
    if bias is not None and bias.dim() > 1:  # one for each row or other dimension of y
        y = linear(input, weight)
        return (y + autocast(bias)[0]).view(y.shape)
    return LinearFn.apply(*autocast(input, weight, bias))
