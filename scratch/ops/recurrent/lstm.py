"""Long short-term memory: a cell c that gates write to, forget from and read out.

Shapes:     x (P, I)   W (4H, I)   U (4H, R)   b (4H,) or None   V (R, H): a projection, or None: R = H
            h₀ (N, R)   c₀ (N, H)   h (P, R)   (rows: see recurrence.py)
            W, U and b hold the rows of i, f, g and o one below the other. PyTorch keeps two biases, for W and
            for U; only their sum b acts.
Value:      aₜ = W xₜ + U hₜ₋₁ + b = (aⁱ, aᶠ, aᵍ, aᵒ)                              (1)
            i = σ(aⁱ)   f = σ(aᶠ)   g = tanh(aᵍ)   o = σ(aᵒ)                      (2)
            cₜ = f cₜ₋₁ + i g                                                     (3)
            mₜ = o tanh(cₜ)      hₜ = V mₜ, or mₜ without projection               (4)
Tangent:    ȧₜ = W ẋₜ + Ẇ xₜ + U ḣₜ₋₁ + U̇ hₜ₋₁ + ḃ                                 (5)
            i̇ = i(1 − i) ȧⁱ, and so f, o   ġ = (1 − g²) ȧᵍ                        (6)
            ċₜ = ḟ cₜ₋₁ + f ċₜ₋₁ + i̇ g + i ġ                                       (7)
            ṁₜ = ȯ tanh(cₜ) + o (1 − tanh²(cₜ)) ċₜ      ḣₜ = V̇ mₜ + V ṁₜ            (8)
Adjoint:    from the last step to the first, with h̄ₜ↑ from whoever uses the output,

            h̄ₜ = h̄ₜ↑ + Uᵀ āₜ₊₁      m̄ₜ = Vᵀ h̄ₜ                                    (9)
            c̄ₜ = fₜ₊₁ c̄ₜ₊₁ + m̄ₜ o (1 − tanh²(cₜ))                                (10)
            āⁱ = c̄ₜ g · i(1 − i)         āᶠ = c̄ₜ cₜ₋₁ · f(1 − f)                  (11)
            āᵍ = c̄ₜ i · (1 − g²)         āᵒ = m̄ₜ tanh(cₜ) · o(1 − o)             (12)
            h̄₀ = Uᵀ ā₁      c̄₀ = f₁ c̄₁                                          (13)

            In (10) no matrix stands between c̄ₜ₊₁ and c̄ₜ, only the gate f: where it stays near 1, a gradient
            crosses many steps unharmed. That is the point of the cell. Summed over all steps,

            x̄ = ā W   (14)      W̄ = Σ āᵀ x   (15)      Ū = Σ āᵀ hₜ₋₁   (16)
            b̄ = Σ ā   (17)      V̄ = Σ h̄ᵀ m   (18)
Saved:      x, h₀, c₀, W, U, b, V.   Recomputed: all steps, which the fast form keeps.
Fast form:  lstm_fast.py
Kinks:      none.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.LSTM. Differs: nothing.
Source:     Hochreiter and Schmidhuber, Long short-term memory (1997); Gers, Schmidhuber and Cummins, Learning
            to forget (2000); the projection: Sak, Senior and Beaufays, Long short-term memory based recurrent
            neural network architectures for large vocabulary speech recognition (2014).
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function
from scratch.ops.recurrent import lstm_fast
from scratch.ops.recurrent.sequence import (
    Sizes,
    State,
    Weights,
    advance,
    first,
    in_full_precision,
    order,
    total,
)


def cell(a, c_before):
    """i, f, g, o, cₜ, tanh(cₜ) and mₜ"""
    i, f, g, o = a.split([c_before.shape[1]] * 4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()  # (2)
    c_t = f * c_before + i * g  # (3)
    tanh_c = c_t.tanh()
    return i, f, g, o, c_t, tanh_c, o * tanh_c


def cell_adjoint(m_bar, c_bar, i, f, g, o, c_before, tanh_c):
    """āₜ, and what reaches cₜ₋₁"""
    c_bar_t = c_bar + m_bar * o * (1 - tanh_c * tanh_c)  # (10)
    i_bar, f_bar = c_bar_t * g * i * (1 - i), c_bar_t * c_before * f * (1 - f)  # (11)
    g_bar, o_bar = c_bar_t * i * (1 - g * g), m_bar * tanh_c * o * (1 - o)  # (12)
    return torch.cat((i_bar, f_bar, g_bar, o_bar), 1), f * c_bar_t  # (13)


def trace(x, h0, c0, W, U, b, V, sizes, reverse):
    """For each step xₜ, hₜ₋₁, cₜ₋₁, i, f, g, o, tanh(cₜ) and hₜ; and h and c after the last one."""
    x, steps, h, c, N = x.split(sizes), [()] * len(sizes), h0, c0, sizes[0]
    for t in order(sizes, reverse):
        h_before, c_before = first(h, sizes[t], N), first(c, sizes[t], N)
        a = x[t] @ W.mT + h_before @ U.mT + (0 if b is None else b)  # (1)
        i, f, g, o, c_t, tanh_c, m = cell(a, c_before)
        h_t = m if V is None else m @ V.mT  # (4)
        steps[t] = x[t], h_before, c_before, i, f, g, o, tanh_c, h_t
        h, c = advance(h, h_t, sizes[t], N), advance(c, c_t, sizes[t], N)
    return steps, h, c


class LSTMFn(Function):
    outputs = ("y", "h", "c")
    keeps = ("gates", "cells", "tanhs")
    fast_value, fast_adjoint = lstm_fast.forms(cell, cell_adjoint)

    @staticmethod
    def value(x, h0, c0, W, U, b, V, sizes, reverse):
        steps, h, c = trace(x, h0, c0, W, U, b, V, sizes, reverse)
        return torch.cat([h_t for *_, h_t in steps]), h, c

    @staticmethod
    def tangent(x_dot, h0_dot, c0_dot, W_dot, U_dot, b_dot, V_dot, x, h0, c0, W, U, b, V, sizes, reverse):
        steps, _, _ = trace(x, h0, c0, W, U, b, V, sizes, reverse)
        x_dot, y_dot, h_dot, c_dot, N = x_dot.split(sizes), [x_dot] * len(sizes), h0_dot, c0_dot, sizes[0]
        for t in order(sizes, reverse):
            x_t, h_before, c_before, i, f, g, o, tanh_c, _ = steps[t]
            a_dot = x_dot[t] @ W.mT + x_t @ W_dot.mT + first(h_dot, sizes[t], N) @ U.mT + h_before @ U_dot.mT
            i_dot, f_dot, g_dot, o_dot = (a_dot + b_dot).chunk(4, 1)  # (5)
            i_dot, f_dot, o_dot = i * (1 - i) * i_dot, f * (1 - f) * f_dot, o * (1 - o) * o_dot
            g_dot = (1 - g * g) * g_dot  # (6)
            c_dot_t = f_dot * c_before + f * first(c_dot, sizes[t], N) + i_dot * g + i * g_dot  # (7)
            m_dot = o_dot * tanh_c + o * (1 - tanh_c * tanh_c) * c_dot_t
            y_dot[t] = m_dot if V is None else (o * tanh_c) @ V_dot.mT + m_dot @ V.mT  # (8)
            h_dot, c_dot = advance(h_dot, y_dot[t], sizes[t], N), advance(c_dot, c_dot_t, sizes[t], N)
        return torch.cat(y_dot), h_dot, c_dot

    @staticmethod
    def adjoint(y_bar, h_bar, c_bar, x, h0, c0, W, U, b, V, sizes, reverse):
        steps, _, _ = trace(x, h0, c0, W, U, b, V, sizes, reverse)
        y_bar, x_bar, N = y_bar.split(sizes), [x] * len(sizes), sizes[0]
        W_bar = U_bar = b_bar = V_bar = 0
        for t in reversed(order(sizes, reverse)):
            x_t, h_before, c_before, i, f, g, o, tanh_c, _ = steps[t]
            h_bar_t = first(h_bar, sizes[t], N) + y_bar[t]
            m_bar = h_bar_t if V is None else h_bar_t @ V  # (9)
            a_bar, c_bar_before = cell_adjoint(m_bar, first(c_bar, sizes[t], N), i, f, g, o, c_before, tanh_c)
            h_bar, c_bar = advance(h_bar, a_bar @ U, sizes[t], N), advance(c_bar, c_bar_before, sizes[t], N)  # (13)
            x_bar[t] = a_bar @ W  # (14)
            W_bar = W_bar + a_bar.mT @ x_t  # (15)
            U_bar = U_bar + a_bar.mT @ h_before  # (16)
            b_bar = b_bar + a_bar.sum(0)  # (17)
            V_bar = V_bar + h_bar_t.mT @ (o * tanh_c)  # (18)
        return torch.cat(x_bar), h_bar, c_bar, W_bar, U_bar, b_bar, V_bar


@in_full_precision
def lstm(x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False) -> tuple[Tensor, State]:
    """The rows h (P, R) and the last state (h, c) of one layer in one direction. See the module's page."""
    W, U, b, d, V = weights
    y, h, c = LSTMFn.apply(x, *state, W, U, total(b, d), V, sizes, reverse)
    return y, (h, c)
