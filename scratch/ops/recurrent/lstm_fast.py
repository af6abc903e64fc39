"""The fast form of the LSTM, in the symbols of lstm.py.

Forward:    all products W xₜ are one matrix product, since they do not wait for one another. The gates of a step are
            written where its products were, and kept for the backward pass, with c and tanh(c).
Backward:   the steps write their ā into the rows of one matrix, for as many steps as fit in a cache; x̄, W̄, Ū and b̄ are
            then one product each for all of them. Terms that occur twice have names, om for o m̄ and so on, and with
            u = v s, v · s(1 − s) is u − u s, one operation after u.
"""

import torch

from scratch.ops.core.product import add_product, product
from scratch.ops.recurrent.sequence import Rows, advance, blocks, chunks, first, order, previous


def value(x, h0, c0, W, U, b, V, sizes, reverse):
    gates = product(x, W.t(), b)
    cells, tanhs, y = (s.new_empty(x.shape[0], s.shape[1]) for s in (c0, c0, h0))
    a_steps, c_steps, tanh_steps, y_steps = (s.split(sizes) for s in (gates, cells, tanhs, y))
    gate_steps = blocks(gates, 4, sizes)
    (h, c), N = (h0, c0), sizes[0]
    for t in order(sizes, reverse):
        size, (i, f, g, o) = sizes[t], gate_steps[t]
        add_product(a_steps[t], first(h, size, N), U.t())  # (1)
        tanh_g = g.tanh()
        a_steps[t].sigmoid_()  # (2)
        g.copy_(tanh_g)
        torch.mul(f, first(c, size, N), out=c_steps[t]).addcmul_(i, g)  # (3)
        torch.tanh(c_steps[t], out=tanh_steps[t])
        if V is None:
            torch.mul(o, tanh_steps[t], out=y_steps[t])  # (4)
        else:
            torch.mm(o * tanh_steps[t], V.t(), out=y_steps[t])
        h, c = advance(h, y_steps[t], size, N), advance(c, c_steps[t], size, N)
    return y, h.clone(), c.clone(), gates, cells, tanhs


def adjoint(needs, y_bar, h_bar, c_bar, x, h0, c0, W, U, V, sizes, reverse, y, gates, cells, tanhs):
    needs_x, _, _, needs_W, needs_U, needs_b, needs_V = needs
    h_before = previous(y.split(sizes), h0, sizes, reverse)
    c_before = previous(cells.split(sizes), c0, sizes, reverse)
    gate_steps, tanh_steps, y_bar_steps = blocks(gates, 4, sizes), tanhs.split(sizes), y_bar.split(sizes)
    h_bar_steps, N = [h_bar] * len(sizes), sizes[0]
    x_bar = []
    W_bar = U_bar = b_bar = V_bar = 0
    for part, place in chunks(sizes, reverse, gates.shape[1]):
        begin, end = min(part), max(part) + 1
        rows = Rows(gates.shape[1], 4, sizes[begin:end], gates)
        for t in part:
            size, (i, f, g, o), tanh_c = sizes[t], gate_steps[t], tanh_steps[t]
            slot_i, slot_f, slot_g, slot_o = rows.slots[t - begin]
            h_bar_t = h_bar_steps[t] = first(h_bar, size, N) + y_bar_steps[t]
            m_bar = h_bar_t if V is None else h_bar_t @ V  # (9)
            om = o * m_bar
            tom = tanh_c * om
            c_bar_t = torch.addcmul(first(c_bar, size, N) + om, tom, tanh_c, value=-1)  # (10)
            ic, fc = i * c_bar_t, f * c_bar_t
            gic, before = g * ic, c_before[t] * fc
            torch.addcmul(gic, gic, i, value=-1, out=slot_i)  # (11)
            torch.addcmul(before, before, f, value=-1, out=slot_f)
            torch.addcmul(ic, gic, g, value=-1, out=slot_g)  # (12)
            torch.addcmul(tom, tom, o, value=-1, out=slot_o)
            h_bar = advance(h_bar, product(rows.steps[t - begin], U), size, N)
            c_bar = advance(c_bar, fc, size, N)  # (13)
        a_bar = rows.matrix
        if needs_x:
            x_bar.append(product(a_bar, W))  # (14)
        if needs_W:
            W_bar = W_bar + product(a_bar.t(), x[place])  # (15)
        if needs_U:
            U_bar = U_bar + product(a_bar.t(), torch.cat(h_before[begin:end]))  # (16)
        if needs_b:
            b_bar = b_bar + a_bar.sum(0)  # (17)
        if needs_V:
            m = gates[place].chunk(4, 1)[3] * tanhs[place]
            V_bar = V_bar + torch.cat(h_bar_steps[begin:end]).t() @ m  # (18)
    x_bar = torch.cat(x_bar if reverse else x_bar[::-1]) if needs_x else None
    found = zip((W_bar, U_bar, b_bar, V_bar), needs[3:], strict=True)
    return x_bar, h_bar, c_bar, *(bar if need else None for bar, need in found)
