"""The gated recurrent unit: a state that is partly kept, partly replaced, as its gates say.

Shapes:     x (P, I)   W (3H, I)   U (3H, H)   b, d (3H,) or None   h₀ (N, H)   h (P, H)
            (rows: see recurrence.py)
            W, U, b and d hold the rows of r, z and n one below the other.
Value:      r = σ(Wʳ xₜ + bʳ + Uʳ hₜ₋₁ + dʳ)      what of the past the candidate sees  (1)
            z = σ(Wᶻ xₜ + bᶻ + Uᶻ hₜ₋₁ + dᶻ)      how much of the past stays           (2)
            q = Uⁿ hₜ₋₁ + dⁿ      n = tanh(Wⁿ xₜ + bⁿ + r q)      the candidate        (3)
            hₜ = (1 − z) n + z hₜ₋₁                                                    (4)
            The products W xₜ do not wait for one another: all steps are one matrix product.
            With aⁿ for what tanh is taken of, and aʳ, aᶻ for what σ is taken of:
Tangent:    ȧ = W ẋₜ + Ẇ xₜ + ḃ + (u̇ʳ, u̇ᶻ, ṙ q + r u̇ⁿ),      u̇ = U ḣₜ₋₁ + U̇ hₜ₋₁ + ḋ    (5)
            ṙ = r(1 − r) ȧʳ      ż = z(1 − z) ȧᶻ      ṅ = (1 − n²) ȧⁿ                   (6)
            ḣₜ = (1 − z) ṅ + z ḣₜ₋₁ + (hₜ₋₁ − n) ż                                      (7)
Adjoint:    from the last step to the first, with h̄ₜ↑ from whoever uses the output,

            h̄ₜ = h̄ₜ↑ + zₜ₊₁ h̄ₜ₊₁ + Uᵀ ūₜ₊₁                                            (8)
            āⁿ = h̄ₜ (1 − z) · (1 − n²)      āᶻ = h̄ₜ (hₜ₋₁ − n) · z(1 − z)               (9)
            āʳ = āⁿ q · r(1 − r)                                                       (10)
            ū = (āʳ, āᶻ, āⁿ r)      ā = (āʳ, āᶻ, āⁿ)                                   (11)
            h̄₀ = z₁ h̄₁ + Uᵀ ū₁                                                        (12)

            What remains is one product for all steps, in code for as many as fit in a cache:

            x̄ = ā W   (13)      W̄ = āᵀ x   (14)      Ū = ūᵀ (h one step before)   (15)
            b̄ = Σ ā    d̄ = Σ ū   (16)
            In code (ūⁿ, āʳ, āᶻ, āⁿ) are blocks of one matrix: its first three are ū, in the order n, r, z, its last
            three ā. And with u = v s, v · s(1 − s) is u − u s, one operation after u.
Saved:      x, h₀, W, U, b, d, h; and r, z, n, q of all steps.
Recomputed: these last four from the rest, where the gradient is itself differentiated: h is known, hence all
            steps at once.
Kinks:      none.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.GRU. Differs: in float32 tanh is computed as 2σ(2x) − 1.
Source:     Cho et al., Learning phrase representations using RNN encoder-decoder (2014); with the gate r
            after the product with Uⁿ, not before, so that one product serves all gates.
"""

from typing import Any

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import sigmoid, tanh, tanh_into
from scratch.ops.core.function import Function, in_place
from scratch.ops.core.product import product
from scratch.ops.recurrent.sequence import (
    Rows,
    Sizes,
    State,
    Weights,
    advance,
    chunks,
    first,
    in_full_precision,
    order,
    previous,
)


def trace(x, W, U, b, d, h_before):
    """(r, z) (P, 2H), n and q (P, H) of all steps, from inputs and output, differentiably."""
    a, u = x @ W.t(), h_before @ U.t()
    if b is not None:
        a, u = a + b, u + d
    r, z, a_n = a.chunk(3, 1)
    u_r, u_z, q = u.chunk(3, 1)
    r, z = sigmoid(r + u_r), sigmoid(z + u_z)  # (1), (2)
    return torch.cat((r, z), 1), tanh(a_n + r * q), q  # (3)


class GRUFn(Function):
    @staticmethod
    def forward(x, h0, W, U, b, d, sizes, reverse):
        N, H = h0.shape
        W_rz, W_n = W.t().split((2 * H, H), 1)
        if b is None:
            rz, n = product(x, W_rz), product(x, W_n)
        else:
            b_rz, b_n = b.split((2 * H, H))
            rz, n = product(x, W_rz, b_rz), product(x, W_n, b_n)
        q, y = torch.empty_like(n), torch.empty_like(n)
        steps = list(zip(*(part.split(sizes) for part in (rz, rz[:, :H], rz[:, H:], n, q, y)), strict=True))
        h = h0
        for t in order(sizes, reverse):
            rz_t, r, z, n_t, q_t, y_t = steps[t]
            before = first(h, sizes[t], N)
            u = product(before, U.t(), d)
            rz_t.add_(u[:, : 2 * H]).sigmoid_()  # (1), (2)
            q_t.copy_(u[:, 2 * H :])
            tanh_into(n_t, n_t.addcmul_(r, q_t))  # (3)
            h = advance(h, torch.lerp(n_t, before, z, out=y_t), sizes[t], N)  # (4)
        return y, h.clone(), rz, n, q

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.sizes, ctx.reverse = inputs
        y, _, *traced = output
        ctx.mark_non_differentiable(*traced)
        ctx.set_materialize_grads(False)  # zeros for the trace would cost as much as the trace
        ctx.save_for_backward(*tensors, y, *traced)

    @staticmethod
    def backward(ctx, grad_y, grad_h, *_):
        x, h0, W, U, b, d, y, rz, n_all, q = ctx.saved_tensors
        sizes, reverse, needs = ctx.sizes, ctx.reverse, ctx.needs_input_grad
        h_before = previous(y.split(sizes), h0, sizes, reverse)
        if torch.is_grad_enabled():
            rz, n_all, q = trace(x, W, U, b, d, torch.cat(h_before))
        grad_y = torch.zeros_like(y) if grad_y is None else grad_y
        grad_h = torch.zeros_like(h0) if grad_h is None else grad_h
        fast = in_place(grad_y) and in_place(grad_h)
        steps = list(zip(*(part.split(sizes) for part in (*rz.chunk(2, 1), n_all, q, grad_y)), strict=True))
        N, H = h0.shape
        U_nrz = U.roll(H, 0)
        x_bar: list[Tensor] = []
        nothing: Any = 0
        W_bar = U_bar = total = nothing
        for part, place in chunks(sizes, reverse, 4 * H, fast):
            begin, end = min(part), max(part) + 1
            rows = Rows(4 * H, 4, sizes[begin:end], y, fast)  # (ūⁿ, āʳ, āᶻ, āⁿ)
            for t in part:
                r, z, n, q_t, grad = steps[t]
                slot_u, slot_r, slot_z, slot_n = rows.slots[t - begin]
                h = first(grad_h, sizes[t], N) + grad  # (8)
                kept = h * z
                new = h - kept
                a_n = torch.addcmul(new, new * n, n, value=-1, out=slot_n)  # (9)
                a_z = torch.mul(h_before[t] - n, torch.addcmul(kept, kept, z, value=-1), out=slot_z)
                u_n = torch.mul(a_n, r, out=slot_u)  # (11)
                qu = q_t * u_n
                a_r = torch.addcmul(qu, qu, r, value=-1, out=slot_r)  # (10)
                u = rows.put(t - begin, u_n, a_r, a_z, a_n)[:, : 3 * H]
                grad_h = advance(grad_h, kept + product(u, U_nrz), sizes[t], N)  # (8), (12)
            found = rows.all()
            grad_u, grad_a = found[:, : 3 * H].contiguous(), found[:, H:].contiguous()
            total = total + found.sum(0)
            if needs[0]:
                x_bar.append(product(grad_a, W))  # (13)
            if needs[2]:
                W_bar = W_bar + product(grad_a.t(), x[place])  # (14)
            if needs[3]:
                U_bar = U_bar + product(grad_u.t(), torch.cat(h_before[begin:end]))  # (15)
        grad_x = torch.cat(x_bar if reverse else x_bar[::-1]) if needs[0] else None
        grad_W, grad_U = W_bar if needs[2] else None, U_bar.roll(-H, 0) if needs[3] else None
        grad_b = total[H:] if needs[4] else None  # (16)
        grad_d = total[: 3 * H].roll(-H) if needs[5] else None
        return grad_x, grad_h, grad_W, grad_U, grad_b, grad_d, None, None


@in_full_precision
def gru(x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False) -> tuple[Tensor, State]:
    """The rows h (P, H) and the last state (h,) of one layer in one direction. See the module's page."""
    y, h, *_ = GRUFn.apply(x, *state, *weights, sizes, reverse)
    return y, (h,)
