"""The fast form of the GRU, in the symbols of gru.py.

Forward:    all products W xₜ are one matrix product, since they do not wait for one another. A step writes r and z, n
            and q where its products were, and they are kept for the backward pass.
Backward:   (ūⁿ, āʳ, āᶻ, āⁿ) of as many steps as fit in a cache are the blocks of one matrix: its first three are ū,
            in the order n, r, z, its last three ā. x̄, W̄, Ū, b̄ and d̄ are then one product or sum each for all of
            them. And with u = v s, v · s(1 − s) is u − u s, one operation after u.
Compiled:   in place of these operations the page's own formulas of a step, one pass each way; products stay.
"""

from functools import partial

import torch

from scratch.ops.core.compiler import Kernel, read_layouts
from scratch.ops.core.product import product
from scratch.ops.recurrent.sequence import Rows, advance, chunks, first, order, previous, ran_compiled

LAYOUTS = read_layouts(
    "h_before (N, H)  a_rz (N, 2H)  a_n (N, H)  u (N, 3H)  q (N, H)  h_t (N, H)  "
    "h_bar (N, H)  y_bar (N, H)  rz (N, 2H)  n (N, H)  found (N, 4H)  h_bar_before (N, H)"
)


def forms(cell, cell_adjoint):
    """value and adjoint, in whose compiled form the page's functions compute a step."""

    def step_adjoint(h_bar, y_bar, rz, n, q, h_before):
        return cell_adjoint(h_bar + y_bar, rz, n, q, h_before)  # (8)

    kernel = partial(Kernel, layouts=LAYOUTS, page=cell.__module__)
    step = kernel(cell, into=("a_rz", "a_n", "q", "h_t"), name="recurrent.gru.step")
    backward = kernel(step_adjoint, into=("found", "h_bar_before"), name="recurrent.gru.adjoint")
    return staticmethod(partial(value, step)), staticmethod(partial(adjoint, backward))


def value(step, x, h0, W, U, b, d, sizes, reverse):
    N, H = h0.shape
    W_rz, W_n = W.t().split((2 * H, H), 1)
    b_rz, b_n = (None, None) if b is None else b.split((2 * H, H))
    rz, n = product(x, W_rz, b_rz), product(x, W_n, b_n)
    q, y = torch.empty_like(n), torch.empty_like(n)
    steps = list(zip(*(part.split(sizes) for part in (rz, rz[:, :H], rz[:, H:], n, q, y)), strict=True))
    h = h0
    for t in order(sizes, reverse):
        rz_t, r, z, n_t, q_t, y_t = steps[t]
        h_before = first(h, sizes[t], N)
        u = product(h_before, U.t(), d)
        if not ran_compiled(step, rz_t, n_t, u, h_before, q_t, y_t):
            rz_t.add_(u[:, : 2 * H]).sigmoid_()  # (1), (2)
            q_t.copy_(u[:, 2 * H :])
            n_t.addcmul_(r, q_t).tanh_()  # (3)
            torch.lerp(n_t, h_before, z, out=y_t)  # (4)
        h = advance(h, y_t, sizes[t], N)
    return y, h.clone(), rz, n, q


def adjoint(step, needs, y_bar, h_bar, x, h0, W, U, sizes, reverse, y, rz, n, q):
    needs_x, _, needs_W, needs_U, needs_b, needs_d = needs
    h_before = previous(y.split(sizes), h0, sizes, reverse)
    parts = rz, *rz.chunk(2, 1), n, q, y_bar.contiguous()
    steps = list(zip(*(part.split(sizes) for part in parts), strict=True))
    N, H = h0.shape
    U_nrz = U.roll(H, 0)
    x_bar = []
    W_bar = U_bar = total = 0
    for part, place in chunks(sizes, reverse, 4 * H):
        begin, end = min(part), max(part) + 1
        rows = Rows(4 * H, 4, sizes[begin:end], y)  # (ūⁿ, āʳ, āᶻ, āⁿ)
        for t in part:
            rz_t, r, z, n_t, q_t, y_bar_t = steps[t]
            slot_u, slot_r, slot_z, slot_n = rows.slots[t - begin]
            h_bar_t, zh = first(h_bar, sizes[t], N), torch.empty_like(n_t)
            if not ran_compiled(step, h_bar_t, y_bar_t, rz_t, n_t, q_t, h_before[t], rows.steps[t - begin], zh):
                h_bar_t = h_bar_t + y_bar_t  # (8)
                torch.mul(h_bar_t, z, out=zh)
                rest = h_bar_t - zh
                torch.addcmul(rest, rest * n_t, n_t, value=-1, out=slot_n)  # (9)
                torch.mul(h_before[t] - n_t, torch.addcmul(zh, zh, z, value=-1), out=slot_z)
                torch.mul(slot_n, r, out=slot_u)  # (11)
                qu = q_t * slot_u
                torch.addcmul(qu, qu, r, value=-1, out=slot_r)  # (10)
            u_bar = rows.steps[t - begin][:, : 3 * H]
            h_bar = advance(h_bar, zh + product(u_bar, U_nrz), sizes[t], N)  # (8), (12)
        found = rows.matrix
        u_bar, a_bar = found[:, : 3 * H].contiguous(), found[:, H:].contiguous()
        total = total + found.sum(0)
        if needs_x:
            x_bar.append(product(a_bar, W))  # (13)
        if needs_W:
            W_bar = W_bar + product(a_bar.t(), x[place])  # (14)
        if needs_U:
            U_bar = U_bar + product(u_bar.t(), torch.cat(h_before[begin:end]))  # (15)
    x_bar = torch.cat(x_bar if reverse else x_bar[::-1]) if needs_x else None
    U_bar = U_bar.roll(-H, 0) if needs_U else None
    b_bar, d_bar = total[H:] if needs_b else None, total[: 3 * H].roll(-H) if needs_d else None  # (16)
    return x_bar, h_bar, W_bar if needs_W else None, U_bar, b_bar, d_bar
