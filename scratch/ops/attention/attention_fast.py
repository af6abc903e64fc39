"""The fast form of attention, in the symbols of attention.py: neither P nor X is ever there as a whole once L or S
exceeds KEPT.

Blocks:     a block of rows meets one block of keys after the other, and three numbers or rows are carried along, the
            largest score so far m, s = Σ exp(X − m) and o = Σ exp(X − m) v. Where a block raises m to m′, what was
            summed so far shrinks by exp(m − m′). In the end o is divided by s. Backward needs P again: by (2) it takes
            one product and one exp for each block to have exp(X − m), as m was kept; s divides ō and δ beforehand. So
            memory is linear in L and S, while both directions do the same few passes over blocks that stay in the
            processor's cache. Blocks above the diagonal are left out where causal.
Row sums:   δ = Σⱼ P P̄ in (9) needs no sum over keys: Σⱼ Pⱼ P̄ⱼ = Σⱼ Pⱼ rⱼ (ō · vⱼ) = ō · o, a product of two rows of
            D numbers.                                                                                       (11)
            Where P is kept and o was rounded to sixteen bits, the sum over keys is taken nevertheless.
Units:      scores are computed in units of log 2, with log₂ e in c, because a power of two is what the processor
            computes fastest.
Kept:       m and s; up to KEPT rows and keys P instead.
Source:     Milakov and Gimelshein, Online normalizer calculation for softmax (2018); Rabe and Staats, Self-attention
            does not need O(n²) memory (2021); Dao, Fu, Ermon, Rudra and Ré, FlashAttention (2022), for (11).
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from scratch.ops.core.dtype import wide_type, widen
from scratch.ops.core.exponential import LOG2_E

KEPT = 128  # up to so many rows and keys P is kept
ROWS, KEYS = 512, 256  # the size of a block
BLOCK = 2**18  # numbers in the blocks of all heads taken together: 1 MiB, for each thread


def suits(q, k, v, M, drawn, c, causal, p):
    return 0 not in (*q.shape, k.shape[2], v.shape[3]) and (M is None or not M.requires_grad)


def short(q: Tensor, k: Tensor) -> bool:
    return max(q.shape[2], k.shape[2]) <= KEPT


def value(q, k, v, M, drawn, c, causal, p):
    if short(q, k):
        return *attend_short(q, k, v, M, drawn, c, causal, p), None
    return attend_long(q, k, v, M, drawn, c, causal, p)


def adjoint(needs, y_bar, q, k, v, M, drawn, c, causal, p, y, kept, sums):
    delta = (widen(y_bar) * widen(y)).sum(-1, keepdim=True)  # (11)
    if short(q, k):
        of_y = delta if y.dtype is kept.dtype else None  # y was rounded, and P is there
        return *adjoint_short(needs, y_bar, of_y, q, k, v, drawn, c, p, kept), None
    return *adjoint_long(needs, y_bar, delta, q, k, v, M, drawn, c, causal, p, kept, sums), None


def lowest(x: Tensor) -> float:
    """A stand-in for the largest score of a row that may look nowhere: −∞ − lowest is −∞, not NaN."""
    return torch.finfo(x.dtype).min


def above_diagonal(x: Tensor, shift: int) -> Tensor:
    """−∞ where the column exceeds the row plus ``shift``, else 0."""
    return x.new_full(x.shape[-2:], -math.inf).triu_(1 + shift)


def factors(drawn: Tensor, p: float, like: Tensor) -> Tensor:
    """r"""
    return drawn.to(like.dtype) * (0 if p == 1 else 1 / (1 - p))


# In blocks. Heads are taken in groups, flattened to one batch of matrices.

Slices = tuple[slice, slice]


def spans(length: int, step: int) -> list[slice]:
    return [slice(i, min(i + step, length)) for i in range(0, length, step)]


def groups(batch: int, heads: int, rows: int, keys: int) -> Iterator[Slices]:
    """The heads in groups whose blocks stay in the cache together: some of one sequence, or all of several."""
    count = max(1, BLOCK * torch.get_num_threads() // max(rows * keys, 1))
    if count >= heads > 0:
        yield from ((n, slice(0, heads)) for n in spans(batch, count // heads))
    else:
        yield from ((slice(n, n + 1), h) for n in range(batch) for h in spans(heads, count))


def flat(x: Tensor, group: Slices) -> Tensor:
    return widen(x[group]).flatten(0, 1).contiguous()


def part(mask: Tensor, *place: slice) -> Tensor:
    """A block of a mask whose dimensions may be 1."""
    return mask[tuple(slice(None) if size == 1 else i for i, size in zip(place, mask.shape, strict=True))]


def raised(mask: Tensor | None) -> Tensor | None:
    """M, its finite numbers so near the lowest that log₂ e of them are −∞ moved away from there, in the same order."""
    if mask is None:
        return mask
    low = torch.finfo(mask.dtype).min / 2
    return torch.where(mask < low, mask / 4 + 0.75 * low, mask)


def block_scores(q, k, mask, causal, group, rows, keys, out):
    """(1) in units of log 2, c log₂ e being in q already."""
    x = torch.bmm(q[:, rows], k[:, keys].mT, out=out)
    if mask is not None:
        x.view(-1, group[1].stop - group[1].start, *x.shape[1:]).add_(part(mask, *group, rows, keys), alpha=LOG2_E)
    if causal and keys.stop > rows.start + 1:
        x.add_(above_diagonal(x, rows.start - keys.start))
    return x


def block_factors(drawn, p, group, rows, keys, like):
    return factors(drawn[(*group, rows, keys)], p, like).view(like.shape)


def room_for(q: Tensor, D: int) -> Tensor:
    """Memory for o (N, H, L, D): in the order of q, as heads lie that are to be merged, where its rows are runs."""
    like = q.shape[3] == D and (q.stride(3) == 1 or D == 1)
    return torch.empty_like(q) if like else q.new_empty(*q.shape[:3], D)


# Up to KEPT rows and keys: a group of heads is a block.


def put_product(out: Tensor, a: Tensor, b: Tensor, factor: float = 1.0) -> None:
    """out (n, h, L, D) ← factor · a b, for a and b of n·h matrices; where that is possible without a copy."""
    if out.is_contiguous() and out.dtype is a.dtype:
        flat = out.view(-1, *out.shape[2:])
        torch.baddbmm(flat, a, b, beta=0, alpha=factor, out=flat)
    else:
        out.copy_(torch.bmm(a, b).mul_(factor).view(out.shape))


def attend_short(q, k, v, mask, drawn, c, causal, p):
    (N, H, L, _), S, D = q.shape, k.shape[2], v.shape[3]
    o = room_for(q, D)
    P, mask = q.new_empty(N, H, L, S, dtype=wide_type(q)), raised(mask)
    everything = slice(0, L), slice(0, S)
    for group in groups(N, H, L, S):
        scaled = flat(q, group) * (c * LOG2_E)
        x = block_scores(scaled, flat(k, group), mask, causal, group, *everything, out=P[group].flatten(0, 1))
        x.sub_(x.amax(-1, keepdim=True).clamp_min_(lowest(x))).exp2_()
        x.mul_(x.sum(-1, keepdim=True).clamp_min_(1).reciprocal_())
        a = x if drawn is None else x * block_factors(drawn, p, group, *everything, x)
        put_product(o[group], a, flat(v, group))  # (3)
    return o, P


def adjoint_short(needs, y_bar, delta, q, k, v, drawn, c, p, P):
    (N, H, L, _), S = q.shape, k.shape[2]
    grads = q_bar, k_bar, v_bar = [
        torch.empty_like(t) if need else None for t, need in zip((q, k, v), needs[:3], strict=True)
    ]
    for group in groups(N, H, L, S):
        P_, y_bar_, r = P[group].flatten(0, 1), flat(y_bar, group), None
        if drawn is not None:
            r = block_factors(drawn, p, group, slice(0, L), slice(0, S), P_)
        if v_bar is not None:
            put_product(v_bar[group], (P_ if r is None else P_ * r).mT, y_bar_)  # (7)
        if q_bar is None and k_bar is None:
            continue
        x_bar = torch.bmm(y_bar_, flat(v, group).mT)  # (8)
        if r is not None:
            x_bar.mul_(r)
        sums = (P_ * x_bar).sum(-1, keepdim=True) if delta is None else flat(delta, group)
        x_bar.sub_(sums).mul_(P_)  # (9)
        if q_bar is not None:
            put_product(q_bar[group], x_bar, flat(k, group), c)  # (10)
        if k_bar is not None:
            put_product(k_bar[group], x_bar.mT, flat(q, group), c)
    return grads


# Beyond: blocks of ROWS and KEYS.


def seen(rows: slice, length: int, causal: bool) -> list[slice]:
    """The blocks of keys that a block of rows looks at."""
    return spans(min(length, rows.stop) if causal else length, KEYS)


def long_groups(q: Tensor, k: Tensor) -> Iterator[Slices]:
    return groups(q.shape[0], q.shape[1], min(q.shape[2], ROWS), 2 * min(k.shape[2], KEYS))  # P and X̄ at a time


def room_for_block(q: Tensor, k: Tensor) -> Tensor:
    """Memory for the scores of one block of any group."""
    n, h = next(long_groups(q, k))
    heads = min(n.stop, q.shape[0]) * min(h.stop, q.shape[1])
    return q.new_empty(heads * min(q.shape[2], ROWS) * min(k.shape[2], KEYS), dtype=wide_type(q))


def block_memory(x: Tensor, rows: slice, keys: slice, memory: Tensor) -> Tensor:
    """Room for one block of the scores of heads x, in memory that is used again and again."""
    shape = x.shape[0], rows.stop - rows.start, keys.stop - keys.start
    return memory[: math.prod(shape)].view(shape)


def attend_long(q, k, v, mask, drawn, c, causal, p):
    L, S, D = q.shape[2], k.shape[2], v.shape[3]
    o = room_for(q, D)
    largest, sums = q.new_empty(2, *q.shape[:3], 1, dtype=wide_type(q))
    memory, mask = room_for_block(q, k), raised(mask)
    for group in long_groups(q, k):
        q_, k_, v_ = flat(q, group) * (c * LOG2_E), flat(k, group), flat(v, group)
        for rows in spans(L, ROWS):
            m = q_.new_full((q_.shape[0], rows.stop - rows.start, 1), lowest(q_))
            s, total = torch.zeros_like(m), m.new_zeros(*m.shape[:2], D)
            for keys in seen(rows, S, causal):
                x = block_scores(q_, k_, mask, causal, group, rows, keys, out=block_memory(q_, rows, keys, memory))
                larger = torch.maximum(m, x.amax(-1, keepdim=True))
                shrink = m.sub_(larger).exp2_()
                m = larger
                s.mul_(shrink).add_(x.sub_(m).exp2_().sum(-1, keepdim=True))
                if drawn is not None:
                    x.mul_(block_factors(drawn, p, group, rows, keys, x))
                total.mul_(shrink).baddbmm_(x, v_[:, keys])
            s.clamp_min_(1)
            for whole, found in ((o, total.div_(s)), (largest, m), (sums, s)):
                whole[(*group, rows)] = found.unflatten(0, o[group].shape[:2])
    return o, largest, sums


def adjoint_long(needs, y_bar, delta, q, k, v, mask, drawn, c, causal, p, largest, sums):
    """(7) and (10) for keys are computed transposed, as v̄ᵀ = ōᵀ (P r) and k̄ᵀ = c qᵀ X̄: it takes half as long again to
    transpose the larger factor."""
    L, S = q.shape[2], k.shape[2]
    grads = q_bar, k_bar, v_bar = [
        torch.empty_like(t) if need else None for t, need in zip((q, k, v), needs[:3], strict=True)
    ]
    memory, memory_bar, mask = room_for_block(q, k), room_for_block(q, k), raised(mask)
    for group in long_groups(q, k):
        q_, k_, v_ = flat(q, group) * (c * LOG2_E), flat(k, group), flat(v, group)
        m, s = flat(largest, group), flat(sums, group)
        y_bar_, delta_ = flat(y_bar, group) / s, flat(delta, group) / s
        q_t, y_bar_t = q_.mT.contiguous(), y_bar_.mT.contiguous()
        sum_q, sum_k, sum_v = torch.zeros_like(q_), torch.zeros_like(k_.mT), torch.zeros_like(v_.mT)
        for rows in spans(L, ROWS):
            for keys in seen(rows, S, causal):
                P = block_scores(q_, k_, mask, causal, group, rows, keys, out=block_memory(q_, rows, keys, memory))
                P.sub_(m[:, rows]).exp2_()  # (2), but for s, by which ō and δ are divided
                x_bar = torch.bmm(y_bar_[:, rows], v_[:, keys].mT, out=block_memory(q_, rows, keys, memory_bar))
                a = P
                if drawn is not None:
                    r = block_factors(drawn, p, group, rows, keys, P)
                    a, x_bar = P * r, x_bar.mul_(r)
                x_bar.sub_(delta_[:, rows]).mul_(P)  # (9)
                if v_bar is not None:
                    sum_v[..., keys] += torch.bmm(y_bar_t[..., rows], a)  # (7)
                if q_bar is not None:
                    sum_q[:, rows].baddbmm_(x_bar, k_[:, keys])  # (10)
                if k_bar is not None:
                    sum_k[..., keys] += torch.bmm(q_t[..., rows], x_bar)
        for out, total, factor in zip(grads, (sum_q, sum_k.mT, sum_v.mT), (c, 1 / LOG2_E, 1), strict=True):
            if out is not None:
                out[group] = total.mul_(factor).unflatten(0, out[group].shape[:2])
    return grads
