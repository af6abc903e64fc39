"""The fast form of the LSTM, in the symbols of lstm.py.

Forward:    all products W xₜ are one matrix product, since they do not wait for one another. The gates of a step are
            written where its products were, and kept for the backward pass, with c and tanh(c).
Backward:   in (10) to (12) only c̄ₜ and m̄ₜ wait for the step after; what multiplies them is known at once for as many
            steps as fit in a cache, and stands where ā will,
            āⁱ, āᶠ, āᵍ = c̄ₜ · (g i(1 − i), cₜ₋₁ f(1 − f), i (1 − g²))     āᵒ = m̄ₜ · tanh(cₜ) o(1 − o)
            A step is then a few operations. x̄, W̄, Ū and b̄ are one product each for all of these steps.
"""

import torch

from scratch.ops.core.product import add_product, product
from scratch.ops.recurrent.sequence import advance, blocks, chunks, first, order, previous


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
    y_bar_steps = y_bar.split(sizes)
    h_bar_steps, N, H = [h_bar] * len(sizes), sizes[0], c0.shape[1]
    x_bar = []
    W_bar = U_bar = b_bar = V_bar = 0
    for part, place in chunks(sizes, reverse, gates.shape[1]):
        begin, end = min(part), max(part) + 1
        a, tanh_c = gates[place], tanhs[place]
        i, f, g, o = a.chunk(4, 1)
        m = o * tanh_c
        slope_c = torch.addcmul(o, m, tanh_c, value=-1)  # o (1 − tanh²(cₜ)) in (10)
        a_bar = torch.addcmul(a, a, a, value=-1)
        slope_i, slope_f, slope_g, slope_o = a_bar.chunk(4, 1)
        slope_i.mul_(g)
        slope_f.mul_(torch.cat(c_before[begin:end]))
        torch.addcmul(i, i * g, g, value=-1, out=slope_g)
        slope_o.mul_(tanh_c)
        ifg = a_bar[:, : 3 * H].unflatten(1, (3, H))
        steps = [*zip(*(rows.split(sizes[begin:end]) for rows in (a_bar, ifg, slope_o, slope_c, f)), strict=True)]
        for t in part:
            size, (a_bar_t, ifg_t, o_t, slope_c_t, f_t) = sizes[t], steps[t - begin]
            h_bar_t = h_bar_steps[t] = first(h_bar, size, N) + y_bar_steps[t]
            m_bar = h_bar_t if V is None else h_bar_t @ V  # (9)
            c_bar_t = torch.addcmul(first(c_bar, size, N), m_bar, slope_c_t)  # (10)
            ifg_t.mul_(c_bar_t.unsqueeze(1))  # (11), (12)
            o_t.mul_(m_bar)  # (12)
            h_bar = advance(h_bar, product(a_bar_t, U), size, N)
            c_bar = advance(c_bar, f_t * c_bar_t, size, N)  # (13)
        if needs_x:
            x_bar.append(product(a_bar, W))  # (14)
        if needs_W:
            W_bar = W_bar + product(a_bar.t(), x[place])  # (15)
        if needs_U:
            U_bar = U_bar + product(a_bar.t(), torch.cat(h_before[begin:end]))  # (16)
        if needs_b:
            b_bar = b_bar + a_bar.sum(0)  # (17)
        if needs_V:
            V_bar = V_bar + torch.cat(h_bar_steps[begin:end]).t() @ m  # (18)
    x_bar = torch.cat(x_bar if reverse else x_bar[::-1]) if needs_x else None
    found = zip((W_bar, U_bar, b_bar, V_bar), needs[3:], strict=True)
    return x_bar, h_bar, c_bar, *(bar if need else None for bar, need in found)
