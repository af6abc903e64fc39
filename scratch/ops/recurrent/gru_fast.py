"""The fast form of the GRU, in the symbols of gru.py.

Forward:    all products W xₜ are one matrix product, since they do not wait for one another. A step writes r and z, n
            and q where its products were, and they are kept for the backward pass.
Backward:   (ūⁿ, āʳ, āᶻ, āⁿ) of as many steps as fit in a cache are the blocks of one matrix: its first three are ū,
            in the order n, r, z, its last three ā. x̄, W̄, Ū, b̄ and d̄ are then one product or sum each for all of
            them. And with u = v s, v · s(1 − s) is u − u s, one operation after u.
"""

import torch

from scratch.ops.core.product import product
from scratch.ops.recurrent.sequence import Rows, advance, chunks, first, order, previous


def value(x, h0, W, U, b, d, sizes, reverse):
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
        rz_t.add_(u[:, : 2 * H]).sigmoid_()  # (1), (2)
        q_t.copy_(u[:, 2 * H :])
        n_t.addcmul_(r, q_t).tanh_()  # (3)
        h = advance(h, torch.lerp(n_t, h_before, z, out=y_t), sizes[t], N)  # (4)
    return y, h.clone(), rz, n, q


def adjoint(needs, y_bar, h_bar, x, h0, W, U, sizes, reverse, y, rz, n, q):
    needs_x, _, needs_W, needs_U, needs_b, needs_d = needs
    h_before = previous(y.split(sizes), h0, sizes, reverse)
    steps = list(zip(*(part.split(sizes) for part in (*rz.chunk(2, 1), n, q, y_bar)), strict=True))
    N, H = h0.shape
    U_nrz = U.roll(H, 0)
    x_bar = []
    W_bar = U_bar = total = 0
    for part, place in chunks(sizes, reverse, 4 * H):
        begin, end = min(part), max(part) + 1
        rows = Rows(4 * H, 4, sizes[begin:end], y)  # (ūⁿ, āʳ, āᶻ, āⁿ)
        for t in part:
            r, z, n_t, q_t, y_bar_t = steps[t]
            slot_u, slot_r, slot_z, slot_n = rows.slots[t - begin]
            h_bar_t = first(h_bar, sizes[t], N) + y_bar_t  # (8)
            zh = h_bar_t * z
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
