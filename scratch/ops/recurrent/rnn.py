"""The simple recurrent layer of Elman: hₜ = φ(W xₜ + U hₜ₋₁ + b) with φ = tanh or ReLU.

Shapes:     x (P, I)   W (H, I)   U (H, H)   b (H,) or None   h₀ (N, H)   h (P, H)   (rows: see recurrence.py)
            PyTorch keeps two biases, for W and for U; only their sum b acts.
Value:      aₜ = W xₜ + U hₜ₋₁ + b      hₜ = φ(aₜ)                                 (1)
            The products W xₜ do not wait for one another: all steps are one matrix product.
Tangent:    ȧₜ = W ẋₜ + Ẇ xₜ + U ḣₜ₋₁ + U̇ hₜ₋₁ + ḃ      ḣₜ = φ′(aₜ) ȧₜ              (2)
Adjoint:    hₜ is read twice, by whoever uses the output, which sends h̄ₜ↑, and by the next step:

            h̄ₜ = h̄ₜ↑ + Uᵀ āₜ₊₁                                                    (3)
            āₜ = φ′(aₜ) h̄ₜ,   φ′ = 1 − h² for tanh, sign h for ReLU                (4)
            h̄₀ = Uᵀ ā₁                                                           (5)

            from the last step to the first: back-propagation through time. It leaves ā (P, H), a row for each
            of x, and the rest is again one product for all steps:

            x̄ = ā W   (6)      W̄ = āᵀ x   (7)      Ū = āᵀ (h one step before)   (8)      b̄ = Σ ā   (9)
Saved:      x, h₀, W, U, h.   Recomputed: nothing: (4) needs the output only.
Kinks:      ReLU: derivative 0 at 0.
Errors:     RuntimeError where sizes do not fit.
Reference:  one layer and direction of torch.nn.RNN. Differs: nothing.
Source:     Elman, Finding structure in time (1990); Werbos, Backpropagation through time (1990).
"""

from functools import partial

import torch
from torch import Tensor

from scratch.ops.core.function import Function, in_place
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
    total,
)


class RNNFn(Function):
    @staticmethod
    def forward(x, h0, W, U, b, nonlinearity, sizes, reverse):
        y = product(x, W.t(), b)
        steps, h, N = y.split(sizes), h0, sizes[0]
        phi = torch.tanh_ if nonlinearity == "tanh" else partial(torch.clamp_min_, min=0)
        for t in order(sizes, reverse):
            add_product(steps[t], first(h, sizes[t], N), U.t())
            h = advance(h, phi(steps[t]), sizes[t], N)  # (1)
        return y, h.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, h0, W, U, _, ctx.nonlinearity, ctx.sizes, ctx.reverse = inputs
        ctx.save_for_backward(x, h0, W, U, output[0])

    @staticmethod
    def backward(ctx, grad_y, grad_h):
        x, h0, W, U, y = ctx.saved_tensors
        sizes, reverse = ctx.sizes, ctx.reverse
        y_steps, grad_steps = y.split(sizes), grad_y.split(sizes)
        rows = Rows(y.shape[1], 1, sizes, y, in_place(grad_y) and in_place(grad_h))
        for t in reversed(order(sizes, reverse)):
            g, h = first(grad_h, sizes[t], sizes[0]) + grad_steps[t], y_steps[t]  # (3)
            (slot,) = rows.slots[t]
            if ctx.nonlinearity == "tanh":
                a = torch.addcmul(g, g * h, h, value=-1, out=slot)  # (4)
            else:
                a = torch.mul(g, h.sign(), out=slot)
            grad_h = advance(grad_h, product(rows.put(t, a), U), sizes[t], sizes[0])  # (3), (5)
        grad_a = rows.all()
        needs = ctx.needs_input_grad
        grad_x = product(grad_a, W) if needs[0] else None  # (6)
        grad_W = product(grad_a.t(), x) if needs[2] else None  # (7)
        grad_U = product(grad_a.t(), torch.cat(previous(y_steps, h0, sizes, reverse))) if needs[3] else None  # (8)
        grad_b = grad_a.sum(0) if needs[4] else None  # (9)
        return grad_x, grad_h, grad_W, grad_U, grad_b, None, None, None


@in_full_precision
def rnn(
    x: Tensor, state: State, weights: Weights, sizes: Sizes, reverse: bool = False, nonlinearity: str = "tanh"
) -> tuple[Tensor, State]:
    """The rows h (P, H) and the last state (h,) of one layer in one direction. See the module's page."""
    W, U, b, d = weights
    y, h = RNNFn.apply(x, *state, W, U, total(b, d), nonlinearity, sizes, reverse)
    return y, (h,)
