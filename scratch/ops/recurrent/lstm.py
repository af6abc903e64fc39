"""Long short-term memory: a cell c that gates write to, forget from and read out.

Shapes:     x (P, I)   W (4H, I)   U (4H, R)   b (4H,) or None   V (R, H): a projection, or None: R = H
            h₀ (N, R)   c₀ (N, H)   h (P, R)   (rows: see recurrence.py)
            W, U and b hold the rows of i, f, g and o one below the other. PyTorch keeps two biases, for W and
            for U; only their sum b acts.
Value:      aₜ = W xₜ + U hₜ₋₁ + b = (aⁱ, aᶠ, aᵍ, aᵒ)                              (1)
            The products W xₜ do not wait for one another: all steps are one matrix product.
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
            crosses many steps unharmed. That is the point of the cell. The rest is one product for all steps, in code
            for as many as fit in a cache:

            x̄ = ā W   (14)      W̄ = āᵀ x   (15)      Ū = āᵀ (h one step before)   (16)
            b̄ = Σ ā   (17)      V̄ = h̄ᵀ m   (18)
            In code the terms that occur twice have names, om for o m̄ and so on, and with u = v s
            v · s(1 − s) is u − u s, one operation after u.
Saved:      x, h₀, c₀, W, U, b, V, h; and i, f, g, o, c, tanh(c) of all steps.
Recomputed: these last six from the rest, where the gradient is itself differentiated: h is known, hence every
            aₜ at once, and only (3) runs along the steps.
Kinks:      none.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.LSTM. Differs: in float32 tanh is computed as 2σ(2x) − 1.
Source:     Hochreiter and Schmidhuber, Long short-term memory (1997); Gers, Schmidhuber and Cummins, Learning
            to forget (2000); the projection: Sak, Senior and Beaufays, Long short-term memory based recurrent
            neural network architectures for large vocabulary speech recognition (2014).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import sigmoid, tanh, tanh_into, twice_less_one_
from scratch.ops.core.function import Function, in_place
from scratch.ops.core.product import add_product, product
from scratch.ops.recurrent.sequence import (
    Rows,
    Sizes,
    State,
    Weights,
    advance,
    blocks,
    chunks,
    first,
    in_full_precision,
    order,
    previous,
    total,
)


def trace(x, h0, c0, W, U, b, V, y, sizes, reverse):
    """(i, f, g, o) (P, 4H), c and tanh(c) (P, H) of all steps, from inputs and output, differentiably."""
    a = x @ W.t() + torch.cat(previous(y.split(sizes), h0, sizes, reverse)) @ U.t()  # (1)
    i, f, g, o = (a if b is None else a + b).chunk(4, 1)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)  # (2)
    f_steps, ig_steps = f.split(sizes), (i * g).split(sizes)
    c, c_steps = c0, [c0] * len(sizes)
    for t in order(sizes, reverse):
        c_steps[t] = f_steps[t] * first(c, sizes[t], sizes[0]) + ig_steps[t]  # (3)
        c = advance(c, c_steps[t], sizes[t], sizes[0])
    c_all = torch.cat(c_steps)
    return torch.cat((i, f, g, o), 1), c_all, tanh(c_all)


class LSTMFn(Function):
    @staticmethod
    def forward(x, h0, c0, W, U, b, V, sizes, reverse):
        gates = product(x, W.t(), b)
        c_all, tanh_all, y = (s.new_empty(x.shape[0], s.shape[1]) for s in (c0, c0, h0))
        a_steps, c_steps, tanh_steps, y_steps = (s.split(sizes) for s in (gates, c_all, tanh_all, y))
        gate_steps = blocks(gates, 4, sizes)
        (h, c), N = (h0, c0), sizes[0]
        for t in order(sizes, reverse):
            size, (i, f, g, o) = sizes[t], gate_steps[t]
            a = a_steps[t]
            add_product(a, first(h, size, N), U.t())  # (1)
            g.add_(g)
            a.sigmoid_()  # (2), with tanh x = 2σ(2x) − 1
            twice_less_one_(g)
            torch.mul(f, first(c, size, N), out=c_steps[t]).addcmul_(i, g)  # (3)
            tanh_into(tanh_steps[t], c_steps[t])
            if V is None:
                torch.mul(o, tanh_steps[t], out=y_steps[t])  # (4)
            else:
                torch.mm(o * tanh_steps[t], V.t(), out=y_steps[t])
            h, c = advance(h, y_steps[t], size, N), advance(c, c_steps[t], size, N)
        return y, h.clone(), c.clone(), gates, c_all, tanh_all

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.sizes, ctx.reverse = inputs
        y, _, _, *traced = output
        ctx.mark_non_differentiable(*traced)
        ctx.set_materialize_grads(False)  # zeros for the trace would cost as much as the trace
        ctx.save_for_backward(*tensors, y, *traced)

    @staticmethod
    def backward(ctx, grad_y, grad_h, grad_c, *_):
        x, h0, c0, W, U, b, V, y, gates, c_all, tanh_all = ctx.saved_tensors
        sizes, reverse, needs = ctx.sizes, ctx.reverse, ctx.needs_input_grad
        if torch.is_grad_enabled():
            gates, c_all, tanh_all = trace(x, h0, c0, W, U, b, V, y, sizes, reverse)
        h_before = previous(y.split(sizes), h0, sizes, reverse)
        c_before = previous(c_all.split(sizes), c0, sizes, reverse)
        gate_steps, tanh_steps = blocks(gates, 4, sizes), tanh_all.split(sizes)
        grad_y = torch.zeros_like(y) if grad_y is None else grad_y
        grad_h = torch.zeros_like(h0) if grad_h is None else grad_h
        grad_c = torch.zeros_like(c0) if grad_c is None else grad_c
        fast = in_place(grad_y) and in_place(grad_h) and in_place(grad_c)
        grad_steps, grad_h_steps, N = grad_y.split(sizes), [grad_h] * len(sizes), sizes[0]
        x_bar: list[Tensor] = []
        nothing: Any = 0
        W_bar = U_bar = b_bar = V_bar = nothing
        for part, place in chunks(sizes, reverse, gates.shape[1], fast):
            begin, end = min(part), max(part) + 1
            rows = Rows(gates.shape[1], 4, sizes[begin:end], gates, fast)
            for t in part:
                size, (i, f, g, o), tanh_c = sizes[t], gate_steps[t], tanh_steps[t]
                slot_i, slot_f, slot_g, slot_o = rows.slots[t - begin]
                h = grad_h_steps[t] = first(grad_h, size, N) + grad_steps[t]  # (9)
                m = h if V is None else h @ V
                om = o * m
                tom = tanh_c * om
                c = torch.addcmul(first(grad_c, size, N) + om, tom, tanh_c, value=-1)  # (10)
                ic, fc = i * c, f * c
                gic, before = g * ic, c_before[t] * fc
                a = rows.put(
                    t - begin,
                    torch.addcmul(gic, gic, i, value=-1, out=slot_i),  # (11)
                    torch.addcmul(before, before, f, value=-1, out=slot_f),
                    torch.addcmul(ic, gic, g, value=-1, out=slot_g),  # (12)
                    torch.addcmul(tom, tom, o, value=-1, out=slot_o),
                )
                grad_h, grad_c = (
                    advance(grad_h, product(a, U), size, N),
                    advance(grad_c, fc, size, N),
                )  # (9), (10), (13)
            grad_a = rows.all()
            if needs[0]:
                x_bar.append(product(grad_a, W))  # (14)
            if needs[3]:
                W_bar = W_bar + product(grad_a.t(), x[place])  # (15)
            if needs[4]:
                U_bar = U_bar + product(grad_a.t(), torch.cat(h_before[begin:end]))  # (16)
            if needs[5]:
                b_bar = b_bar + grad_a.sum(0)  # (17)
            if needs[6]:
                read_out = gates[place].chunk(4, 1)[3] * tanh_all[place]
                V_bar = V_bar + torch.cat(grad_h_steps[begin:end]).t() @ read_out  # (18)
        grad_x = torch.cat(x_bar if reverse else x_bar[::-1]) if needs[0] else None
        grad_W, grad_U, grad_b, grad_V = (
            total if need else None for total, need in zip((W_bar, U_bar, b_bar, V_bar), needs[3:7], strict=True)
        )
        return grad_x, grad_h, grad_c, grad_W, grad_U, grad_b, grad_V, None, None


@in_full_precision
def lstm(x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False) -> tuple[Tensor, State]:
    """The rows h (P, R) and the last state (h, c) of one layer in one direction. See the module's page."""
    W, U, b, d, V = weights
    y, h, c, *_ = LSTMFn.apply(x, *state, W, U, total(b, d), V, sizes, reverse)
    return y, (h, c)
