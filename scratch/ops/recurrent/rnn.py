"""The simple recurrent layer of Elman: hₜ = φ(W xₜ + U hₜ₋₁ + b) with φ = tanh or ReLU.

Shapes:     x (P, I)   W (H, I)   U (H, H)   b (H,) or None   h₀ (N, H)   h (P, H)   (rows: see sequence.py)
            PyTorch keeps two biases, for W and for U; only their sum b acts.
Value:      aₜ = W xₜ + U hₜ₋₁ + b      hₜ = φ(aₜ)                                 (1)
Tangent:    ȧₜ = W ẋₜ + Ẇ xₜ + U ḣₜ₋₁ + U̇ hₜ₋₁ + ḃ      ḣₜ = φ′(aₜ) ȧₜ              (2)
Adjoint:    hₜ is read twice, by whoever uses the output, which sends h̄ₜ↑, and by the next step:

            h̄ₜ = h̄ₜ↑ + Uᵀ āₜ₊₁                                                    (3)
            āₜ = φ′(aₜ) h̄ₜ,   φ′ = 1 − h² for tanh, sign h for ReLU                (4)
            h̄₀ = Uᵀ ā₁                                                           (5)

            from the last step to the first: back-propagation through time. It leaves ā (P, H), a row for each
            of x, and the rest is one product for all steps:

            x̄ = ā W   (6)      W̄ = āᵀ x   (7)      Ū = āᵀ (h one step before)   (8)      b̄ = Σ ā   (9)
Saved:      x, h₀, W, U, h.   Recomputed: nothing, since (4) needs the output only.
Fast form:  the products W xₜ do not wait for one another: all steps are one matrix product. Compiled: so, with (3) and
            (4) as one pass; φ is one pass anyway.
Kinks:      ReLU: derivative 0 at 0.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.RNN. Differs: nothing.
Source:     Elman, Finding structure in time (1990); Werbos, Backpropagation through time (1990).
"""

from functools import partial

import torch
from torch import Tensor

from scratch.ops.core.compiler import Kernel
from scratch.ops.core.function import Function
from scratch.ops.core.product import add_product, product
from scratch.ops.recurrent.sequence import (
    Rows,
    Sizes,
    State,
    Weights,
    advance,
    first,
    in_full_precision,
    order,
    previous,
    ran_compiled,
    total,
)


def phi(a, nonlinearity):
    return a.tanh() if nonlinearity == "tanh" else a.clamp_min(0)


def slope(h, nonlinearity):
    """φ′ of (4)"""
    return 1 - h * h if nonlinearity == "tanh" else h.detach().sign()


def step_adjoint(h_bar, y_bar, h, nonlinearity):
    return slope(h, nonlinearity) * (h_bar + y_bar)  # (3), (4)


LAYOUTS = dict.fromkeys(("h_bar", "y_bar", "h", "a_bar"), ("N", "H"))
STEP_ADJOINT = Kernel(step_adjoint, LAYOUTS, into=("a_bar",), name="recurrent.rnn.adjoint")


class RNNFn(Function):
    outputs = ("y", "h")

    @staticmethod
    def value(x, h0, W, U, b, nonlinearity, sizes, reverse):
        x, y, h, N = x.split(sizes), [x] * len(sizes), h0, sizes[0]
        for t in order(sizes, reverse):
            a = x[t] @ W.mT + first(h, sizes[t], N) @ U.mT + (0 if b is None else b)
            y[t] = phi(a, nonlinearity)  # (1)
            h = advance(h, y[t], sizes[t], N)
        return torch.cat(y), h

    @staticmethod
    def tangent(x_dot, h0_dot, W_dot, U_dot, b_dot, x, h0, W, U, y, nonlinearity, sizes, reverse):
        x, y, y_dot, h_dot, N = x.split(sizes), y.split(sizes), [y] * len(sizes), h0_dot, sizes[0]
        x_dot, h_before = x_dot.split(sizes), previous(y, h0, sizes, reverse)
        for t in order(sizes, reverse):
            moved = x_dot[t] @ W.mT + x[t] @ W_dot.mT + first(h_dot, sizes[t], N) @ U.mT + h_before[t] @ U_dot.mT
            y_dot[t] = slope(y[t], nonlinearity) * (moved + b_dot)  # (2)
            h_dot = advance(h_dot, y_dot[t], sizes[t], N)
        return torch.cat(y_dot), h_dot

    @staticmethod
    def adjoint(y_bar, h_bar, x, h0, W, U, y, nonlinearity, sizes, reverse):
        y, y_bar, a_bar, N = y.split(sizes), y_bar.split(sizes), [y] * len(sizes), sizes[0]
        for t in reversed(order(sizes, reverse)):
            a_bar[t] = step_adjoint(first(h_bar, sizes[t], N), y_bar[t], y[t], nonlinearity)
            h_bar = advance(h_bar, a_bar[t] @ U, sizes[t], N)  # (3), (5)
        a_bar, h_before = torch.cat(a_bar), torch.cat(previous(y, h0, sizes, reverse))
        return a_bar @ W, h_bar, a_bar.mT @ x, a_bar.mT @ h_before, a_bar.sum(0)  # (6), (7), (8), (9)

    @staticmethod
    def fast_value(x, h0, W, U, b, nonlinearity, sizes, reverse):
        y = product(x, W.t(), b)
        steps, h, N = y.split(sizes), h0, sizes[0]
        phi_ = torch.tanh_ if nonlinearity == "tanh" else partial(torch.clamp_min_, min=0)
        for t in order(sizes, reverse):
            add_product(steps[t], first(h, sizes[t], N), U.t())
            h = advance(h, phi_(steps[t]), sizes[t], N)  # (1)
        return y, h.clone()

    @staticmethod
    def fast_adjoint(needs, y_bar, h_bar, x, h0, W, U, y, nonlinearity, sizes, reverse):
        needs_x, _, needs_W, needs_U, needs_b = needs
        steps, y_bar, N = y.split(sizes), y_bar.contiguous().split(sizes), sizes[0]
        rows = Rows(y.shape[1], 1, sizes, y)
        for t in reversed(order(sizes, reverse)):
            h_bar_t, y_bar_t, h, a_bar_t = first(h_bar, sizes[t], N), y_bar[t], steps[t], rows.steps[t]
            if not ran_compiled(STEP_ADJOINT, h_bar_t, y_bar_t, h, nonlinearity, a_bar_t):
                h_bar_t = h_bar_t + y_bar_t  # (3)
                if nonlinearity == "tanh":
                    torch.addcmul(h_bar_t, h_bar_t * h, h, value=-1, out=a_bar_t)  # (4)
                else:
                    torch.mul(h_bar_t, h.sign(), out=a_bar_t)
            h_bar = advance(h_bar, product(a_bar_t, U), sizes[t], N)  # (3), (5)
        a_bar = rows.matrix
        x_bar = product(a_bar, W) if needs_x else None  # (6)
        W_bar = product(a_bar.t(), x) if needs_W else None  # (7)
        U_bar = product(a_bar.t(), torch.cat(previous(steps, h0, sizes, reverse))) if needs_U else None  # (8)
        return x_bar, h_bar, W_bar, U_bar, a_bar.sum(0) if needs_b else None  # (9)


@in_full_precision
def rnn(
    x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False, nonlinearity: str = "tanh"
) -> tuple[Tensor, State]:
    """The rows h (P, H) and the last state (h,) of one layer in one direction. See the module's page."""
    W, U, b, d = weights
    y, h = RNNFn.apply(x, *state, W, U, total(b, d), nonlinearity, sizes, reverse)
    return y, (h,)
