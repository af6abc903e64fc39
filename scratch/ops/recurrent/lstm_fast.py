"""The fast form of the LSTM, in the symbols of lstm.py.

Forward:    all products W xₜ are one matrix product, since they do not wait for one another. The gates of a step are
            written where its products were, and kept for the backward pass, with c and tanh(c).
Backward:   in (10) to (12) only c̄ₜ and m̄ₜ wait for the step after; what multiplies them is known at once for as many
            steps as fit in a cache:
            āⁱ, āᶠ, āᵍ = c̄ₜ · (g i(1 − i), cₜ₋₁ f(1 − f), i (1 − g²))     āᵒ = m̄ₜ · tanh(cₜ) o(1 − o)
            A step is then a few operations. x̄, W̄, Ū and b̄ are one product each for all of these steps.
Compiled:   in place of these operations the page's own formulas of a step, one pass each way; products stay.
"""

from functools import partial

import torch

from scratch.ops.core.compiler import Kernel, read_layouts
from scratch.ops.core.product import add_product, product
from scratch.ops.recurrent.sequence import advance, blocks, chunks, first, order, previous, ran_compiled

LAYOUTS = read_layouts(
    "c_before (N, H)  a (N, 4H)  c (N, H)  tanh_c (N, H)  m (N, H)  "
    "h_bar (N, H)  y_bar (N, H)  c_bar (N, H)  gates (N, 4H)  a_bar (N, 4H)  c_bar_before (N, H)"
)


def forms(cell, cell_adjoint):
    """value and adjoint, in whose compiled form the page's functions compute a step."""

    def step(a, c_before):
        i, f, g, o, c, tanh_c, m = cell(a, c_before)
        return torch.cat((i, f, g, o), 1), c, tanh_c, m

    def step_adjoint(h_bar, y_bar, c_bar, gates, c_before, tanh_c):
        m_bar = h_bar if y_bar is None else h_bar + y_bar  # (9)
        return cell_adjoint(m_bar, c_bar, *gates.split([c_before.shape[1]] * 4, 1), c_before, tanh_c)

    kernel = partial(Kernel, layouts=LAYOUTS, page=cell.__module__)
    forward = kernel(step, into=("a", "c", "tanh_c", "m"), name="recurrent.lstm.step")
    backward = kernel(step_adjoint, into=("a_bar", "c_bar_before"), name="recurrent.lstm.adjoint")
    return staticmethod(partial(value, forward)), staticmethod(partial(adjoint, backward))


def value(step, x, h0, c0, W, U, b, V, sizes, reverse):
    gates = product(x, W.t(), b)
    cells, tanhs, y = (s.new_empty(x.shape[0], s.shape[1]) for s in (c0, c0, h0))
    a_steps, c_steps, tanh_steps, y_steps = (s.split(sizes) for s in (gates, cells, tanhs, y))
    gate_steps = blocks(gates, 4, sizes)
    (h, c), N = (h0, c0), sizes[0]
    for t in order(sizes, reverse):
        size, (i, f, g, o) = sizes[t], gate_steps[t]
        add_product(a_steps[t], first(h, size, N), U.t())  # (1)
        m = y_steps[t] if V is None else torch.empty_like(c_steps[t])
        if not ran_compiled(step, a_steps[t], first(c, size, N), c_steps[t], tanh_steps[t], m):
            tanh_g = g.tanh()
            a_steps[t].sigmoid_()  # (2)
            g.copy_(tanh_g)
            torch.mul(f, first(c, size, N), out=c_steps[t]).addcmul_(i, g)  # (3)
            torch.mul(o, torch.tanh(c_steps[t], out=tanh_steps[t]), out=m)  # (4)
        if V is not None:
            torch.mm(m, V.t(), out=y_steps[t])
        h, c = advance(h, y_steps[t], size, N), advance(c, c_steps[t], size, N)
    return y, h.clone(), c.clone(), gates, cells, tanhs


def slopes(a, tanh_c, c_before):
    """What c̄ₜ is multiplied by in (11) and (12), what m̄ₜ is in (12), and in (10), for the rows of many steps."""
    i, _, g, o = a.chunk(4, 1)
    slope = torch.addcmul(a, a, a, value=-1)
    slope_i, slope_f, slope_g, slope_o = slope.chunk(4, 1)
    slope_i.mul_(g)
    slope_f.mul_(c_before)
    torch.addcmul(i, i * g, g, value=-1, out=slope_g)
    slope_o.mul_(tanh_c)
    return slope[:, : 3 * o.shape[1]].unflatten(1, (3, -1)), slope_o, torch.addcmul(o, o * tanh_c, tanh_c, value=-1)


def adjoint(step, needs, y_bar, h_bar, c_bar, x, h0, c0, W, U, V, sizes, reverse, y, gates, cells, tanhs):
    needs_x, _, _, needs_W, needs_U, needs_b, needs_V = needs
    h_before = previous(y.split(sizes), h0, sizes, reverse)
    c_before = previous(cells.split(sizes), c0, sizes, reverse)
    gate_steps, tanh_steps, y_bar_steps = gates.split(sizes), tanhs.split(sizes), y_bar.contiguous().split(sizes)
    h_bar_steps, N, H = [h_bar] * len(sizes), sizes[0], c0.shape[1]
    x_bar = []
    W_bar = U_bar = b_bar = V_bar = 0
    for part, place in chunks(sizes, reverse, gates.shape[1]):
        begin, end = min(part), max(part) + 1
        a_bar, slope_steps = torch.empty_like(gates[place]), []
        a_bar_steps = a_bar.split(sizes[begin:end])
        for t in part:
            size, a_bar_t = sizes[t], a_bar_steps[t - begin]
            h_bar_t, y_bar_t, c_bar_t = first(h_bar, size, N), y_bar_steps[t], first(c_bar, size, N)
            if V is not None:
                h_bar_steps[t] = h_bar_t + y_bar_t
                h_bar_t, y_bar_t = h_bar_steps[t] @ V, None  # (9)
            fc = torch.empty_like(c_before[t])
            if not ran_compiled(
                step, h_bar_t, y_bar_t, c_bar_t, gate_steps[t], c_before[t], tanh_steps[t], a_bar_t, fc
            ):
                if not slope_steps:
                    rows = slopes(gates[place], tanhs[place], torch.cat(c_before[begin:end]))
                    slope_steps = [*zip(*(slope.split(sizes[begin:end]) for slope in rows), strict=True)]
                slope_ifg, slope_o, slope_c = slope_steps[t - begin]
                m_bar = h_bar_t if y_bar_t is None else h_bar_t + y_bar_t
                c_bar_t = torch.addcmul(c_bar_t, m_bar, slope_c)  # (10)
                torch.mul(slope_ifg, c_bar_t.unsqueeze(1), out=a_bar_t[:, : 3 * H].unflatten(1, (3, H)))  # (11), (12)
                torch.mul(slope_o, m_bar, out=a_bar_t[:, 3 * H :])  # (12)
                torch.mul(gate_steps[t][:, H : 2 * H], c_bar_t, out=fc)
            h_bar = advance(h_bar, product(a_bar_t, U), size, N)
            c_bar = advance(c_bar, fc, size, N)  # (13)
        if needs_x:
            x_bar.append(product(a_bar, W))  # (14)
        if needs_W:
            W_bar = W_bar + product(a_bar.t(), x[place])  # (15)
        if needs_U:
            U_bar = U_bar + product(a_bar.t(), torch.cat(h_before[begin:end]))  # (16)
        if needs_b:
            b_bar = b_bar + a_bar.sum(0)  # (17)
        if needs_V:
            m = gates[place][:, 3 * H :] * tanhs[place]
            V_bar = V_bar + torch.cat(h_bar_steps[begin:end]).t() @ m  # (18)
    x_bar = torch.cat(x_bar if reverse else x_bar[::-1]) if needs_x else None
    found = zip((W_bar, U_bar, b_bar, V_bar), needs[3:], strict=True)
    return x_bar, h_bar, c_bar, *(bar if need else None for bar, need in found)
