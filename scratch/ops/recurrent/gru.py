"""The gated recurrent unit: a state that is partly kept, partly replaced, as its gates say.

Shapes:     x (P, I)   W (3H, I)   U (3H, H)   b, d (3H,) or None   h₀ (N, H)   h (P, H)
            (rows: see sequence.py)
            W, U, b and d hold the rows of r, z and n one below the other.
Value:      r = σ(Wʳ xₜ + bʳ + Uʳ hₜ₋₁ + dʳ)      what of the past the candidate sees  (1)
            z = σ(Wᶻ xₜ + bᶻ + Uᶻ hₜ₋₁ + dᶻ)      how much of the past stays           (2)
            q = Uⁿ hₜ₋₁ + dⁿ      n = tanh(Wⁿ xₜ + bⁿ + r q)      the candidate        (3)
            hₜ = (1 − z) n + z hₜ₋₁                                                    (4)
            a is what σ and tanh are taken of in (1) to (3).
Tangent:    ȧ = W ẋₜ + Ẇ xₜ + ḃ + (u̇ʳ, u̇ᶻ, ṙ q + r u̇ⁿ),      u̇ = U ḣₜ₋₁ + U̇ hₜ₋₁ + ḋ    (5)
            ṙ = r(1 − r) ȧʳ      ż = z(1 − z) ȧᶻ      ṅ = (1 − n²) ȧⁿ                   (6)
            ḣₜ = (1 − z) ṅ + z ḣₜ₋₁ + (hₜ₋₁ − n) ż                                      (7)
Adjoint:    from the last step to the first, with h̄ₜ↑ from whoever uses the output,

            h̄ₜ = h̄ₜ↑ + zₜ₊₁ h̄ₜ₊₁ + Uᵀ ūₜ₊₁                                            (8)
            āⁿ = h̄ₜ (1 − z) · (1 − n²)      āᶻ = h̄ₜ (hₜ₋₁ − n) · z(1 − z)               (9)
            āʳ = āⁿ q · r(1 − r)                                                       (10)
            ū = (āʳ, āᶻ, āⁿ r)      ā = (āʳ, āᶻ, āⁿ)                                   (11)
            h̄₀ = z₁ h̄₁ + Uᵀ ū₁                                                        (12)

            Summed over all steps,

            x̄ = ā W   (13)      W̄ = Σ āᵀ x   (14)      Ū = Σ ūᵀ hₜ₋₁   (15)
            b̄ = Σ ā   d̄ = Σ ū   (16)
Saved:      x, h₀, W, U, b, d.   Recomputed: all steps, of which the fast form keeps r, z, n, q.
Fast form:  gru_fast.py
Kinks:      none.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.GRU. Differs: nothing.
Source:     Cho et al., Learning phrase representations using RNN encoder-decoder (2014); with the gate r
            after the product with Uⁿ, not before, so that one product serves all gates.
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function
from scratch.ops.recurrent import gru_fast
from scratch.ops.recurrent.sequence import Sizes, State, Weights, advance, first, in_full_precision, order


def cell(a_rz, a_n, u, h_before):
    """(r, z), n, q and hₜ, from a = W xₜ + b and u = U hₜ₋₁ + d"""
    H = h_before.shape[1]
    u_rz, q = u.split((2 * H, H), 1)
    rz = (a_rz + u_rz).sigmoid()  # (1), (2)
    r, z = rz.split((H, H), 1)
    n = (a_n + r * q).tanh()  # (3)
    return rz, n, q, (1 - z) * n + z * h_before  # (4)


def cell_adjoint(h_bar_t, rz, n, q, h_before):
    """(ūⁿ, āʳ, āᶻ, āⁿ), and what reaches hₜ₋₁ but by U"""
    r, z = rz.split([n.shape[1]] * 2, 1)
    n_bar = h_bar_t * (1 - z) * (1 - n * n)
    z_bar = h_bar_t * (h_before - n) * z * (1 - z)  # (9)
    r_bar = n_bar * q * r * (1 - r)  # (10)
    return torch.cat((n_bar * r, r_bar, z_bar, n_bar), 1), z * h_bar_t  # (11), (8)


def trace(x, h0, W, U, b, d, sizes, reverse):
    """For each step xₜ, hₜ₋₁, (r, z), n, q and hₜ; and h after the last one."""
    x, steps, h, N, H = x.split(sizes), [()] * len(sizes), h0, sizes[0], h0.shape[1]
    for t in order(sizes, reverse):
        h_before = first(h, sizes[t], N)
        a_rz, a_n = (x[t] @ W.mT + (0 if b is None else b)).split((2 * H, H), 1)
        rz, n, q, h_t = cell(a_rz, a_n, h_before @ U.mT + (0 if d is None else d), h_before)
        steps[t] = x[t], h_before, rz, n, q, h_t
        h = advance(h, h_t, sizes[t], N)
    return steps, h


class GRUFn(Function):
    outputs = ("y", "h")
    keeps = ("rz", "n", "q")
    fast_value, fast_adjoint = gru_fast.forms(cell, cell_adjoint)

    @staticmethod
    def value(x, h0, W, U, b, d, sizes, reverse):
        steps, h = trace(x, h0, W, U, b, d, sizes, reverse)
        return torch.cat([h_t for *_, h_t in steps]), h

    @staticmethod
    def tangent(x_dot, h0_dot, W_dot, U_dot, b_dot, d_dot, x, h0, W, U, b, d, sizes, reverse):
        steps, _ = trace(x, h0, W, U, b, d, sizes, reverse)
        x_dot, y_dot, h_dot, N = x_dot.split(sizes), [x_dot] * len(sizes), h0_dot, sizes[0]
        for t in order(sizes, reverse):
            x_t, h_before, rz, n, q, _ = steps[t]
            r, z = rz.chunk(2, 1)
            h_dot_before = first(h_dot, sizes[t], N)
            a_r, a_z, a_n = (x_dot[t] @ W.mT + x_t @ W_dot.mT + b_dot).chunk(3, 1)
            u_r, u_z, q_dot = (h_dot_before @ U.mT + h_before @ U_dot.mT + d_dot).chunk(3, 1)  # (5)
            r_dot, z_dot = r * (1 - r) * (a_r + u_r), z * (1 - z) * (a_z + u_z)
            n_dot = (1 - n * n) * (a_n + r_dot * q + r * q_dot)  # (6)
            y_dot[t] = (1 - z) * n_dot + z * h_dot_before + (h_before - n) * z_dot  # (7)
            h_dot = advance(h_dot, y_dot[t], sizes[t], N)
        return torch.cat(y_dot), h_dot

    @staticmethod
    def adjoint(y_bar, h_bar, x, h0, W, U, b, d, sizes, reverse):
        steps, _ = trace(x, h0, W, U, b, d, sizes, reverse)
        y_bar, x_bar, N, H = y_bar.split(sizes), [x] * len(sizes), sizes[0], h0.shape[1]
        W_bar = U_bar = b_bar = d_bar = 0
        for t in reversed(order(sizes, reverse)):
            x_t, h_before, rz, n, q, _ = steps[t]
            h_bar_t = first(h_bar, sizes[t], N) + y_bar[t]  # (8)
            found, h_bar_before = cell_adjoint(h_bar_t, rz, n, q, h_before)
            a_bar, u_bar = found[:, H:], found[:, : 3 * H].roll(-H, 1)
            h_bar = advance(h_bar, h_bar_before + u_bar @ U, sizes[t], N)  # (8), (12)
            x_bar[t] = a_bar @ W  # (13)
            W_bar = W_bar + a_bar.mT @ x_t  # (14)
            U_bar = U_bar + u_bar.mT @ h_before  # (15)
            b_bar, d_bar = b_bar + a_bar.sum(0), d_bar + u_bar.sum(0)  # (16)
        return torch.cat(x_bar), h_bar, W_bar, U_bar, b_bar, d_bar


@in_full_precision
def gru(x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False) -> tuple[Tensor, State]:
    """The rows h (P, H) and the last state (h,) of one layer in one direction. See the module's page."""
    y, h = GRUFn.apply(x, *state, *weights, sizes, reverse)
    return y, (h,)
