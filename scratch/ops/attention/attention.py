"""Scaled dot-product attention: every query row takes the average of all value rows, weighted by how well their keys
match it.

Shapes:     q (…, L, E)   k (…, S, E)   v (…, S, D)   M (…, L, S) additive mask   r (…, L, S) dropout   o (…, L, D)
            X = c q kᵀ + M          scores, c = 1/√E unless given                                (1)
            P = exp(X − m) / s      probabilities, m = max X, s = Σ exp(X − m) for each row      (2)
            o = (P r) v             r = 1, or 0 with probability p and 1/(1 − p) else            (3)
Tangent:    Ẋ = c q̇ kᵀ + c q k̇ᵀ + Ṁ,   Ṗ = P (Ẋ − Σ P Ẋ),   ȯ = (Ṗ r) v + (P r) v̇
Adjoint:    v̄ = (P r)ᵀ ō                                                                        (4)
            P̄ = (ō vᵀ) r                                                                        (5)
            X̄ = P (P̄ − δ),  δ = Σⱼ P P̄          the Jacobian of the softmax is symmetric         (6)
            q̄ = c X̄ k     k̄ = c X̄ᵀ q     M̄ = X̄                                                  (7)

and δ needs no sum over keys: Σⱼ Pⱼ P̄ⱼ = Σⱼ Pⱼ rⱼ (ō · vⱼ) = ō · o, a product of two rows of D numbers.

Blocks:     Neither P nor X is ever there as a whole once L or S exceeds KEPT. A block of rows meets one block of keys
            after the other, and three numbers or rows are carried along, the largest score so far m, s = Σ exp(X − m)
            and o = Σ exp(X − m) v. Where a block raises m to m′, what was summed so far shrinks by exp(m − m′). In
            the end o is divided by s. Backward needs P again: by (2) it takes one product and one exp for each block
            to have exp(X − m), as m was kept; s divides ō and δ beforehand. So memory is linear in L and S, while both
            directions do the same few passes over blocks that stay in the processor's cache. Scores are computed in
            units of log 2, with log₂ e in c, because a power of two is what the processor computes fastest.
Masks:      a boolean mask is M = 0 where it is true and −∞ where not; causal is M = −∞ for j > i, and blocks above
            the diagonal are left out. A row that may look nowhere has o = 0 and all gradients 0, as in PyTorch. The
            lowest number is not −∞: a row of it alone looks everywhere, as far as it can be told from it.
Second order: backward is then written on whole matrices, by (1) to (7) as they stand, from q, k, v and M.
Saved:      q, k, v, M, o, m and s, or P instead of the last two up to KEPT rows and keys; with dropout one byte for
            each r, which makes memory quadratic again.   Recomputed: X, and P where it was not kept.
Random:     dropout draws the numbers torch's dropout of P would draw, so equal values under an equal seed on the CPU.
Kinks:      none.
Errors:     RuntimeError for shapes and types that do not fit, for a mask together with is_causal, and where heads
            cannot be shared out in groups; IndexError for groups without a dimension of heads.
Reference:  torch.nn.functional.scaled_dot_product_attention. Differs: it refuses v with another number of rows than
            k, and negative dropout_p in the same words as one above 1. PyTorch's gradients through a row of M that has
            the lowest number throughout are S times too large on a CPU, which keeps m + log s.
Source:     Vaswani et al., Attention is all you need (2017); Milakov and Gimelshein, Online normalizer calculation
            for softmax (2018); Rabe and Staats, Self-attention does not need O(n²) memory (2021); Dao, Fu, Ermon,
            Rudra and Ré, FlashAttention (2022), for (6); Ainslie et al., GQA (2023).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from scratch.ops.activation.softmax import softmax
from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.dtype import autocast, widen, without_autocast
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import Function, in_place
from scratch.ops.dropout import dropout

KEPT = 128  # up to so many rows and keys P is kept
ROWS, KEYS = 512, 256  # the size of a block
BLOCK = 2**18  # numbers in the blocks of all heads taken together: 1 MiB, for each thread


class Options(NamedTuple):
    scale: float  # c
    causal: bool
    keep: bool  # P, not m and s
    dropout: float  # p
    low: bool  # whether M may have finite numbers near the lowest


class AttentionFn(Function):
    """q, k, v, M, r ≠ 0 -> o, and what the fast backward reads: P, or m and s, or nothing. All have four dimensions,
    heads and what they belong to first; those of M may be 1."""

    @staticmethod
    def forward(q, k, v, mask, drawn, opt):
        if not in_place(q) or 0 in (*q.shape, k.shape[2], v.shape[3]):  # or there are no blocks
            return attend(q, k, v, mask, drawn, opt)
        return (attend_short if opt.keep else attend_long)(q, k, v, mask, drawn, opt)

    @staticmethod
    def setup_context(ctx, inputs, output):
        q, k, v, mask, drawn, ctx.opt = inputs
        ctx.save_for_backward(q, k, v, mask, drawn, *output)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, *_):
        q, k, v, mask, drawn, o, *kept = ctx.saved_tensors
        opt, needs = ctx.opt, ctx.needs_input_grad[:4]
        if grad is None:
            return (*[None] * 6,)
        if kept and in_place(grad) and not needs[3]:
            delta = (widen(grad) * widen(o)).sum(-1, keepdim=True)
            if opt.keep:
                grads = adjoint_short(grad, delta, q, k, v, drawn, kept, opt, needs[:3])
            else:
                grads = adjoint_long(grad, delta, q, k, v, mask, drawn, kept, opt, needs[:3])
        else:
            grads = adjoint(grad, q, k, v, mask, drawn, opt)
        return *grads, None, None


class ProductFn(Function):
    """y = a b for batches of matrices of one shape. ā = ȳ bᵀ, b̄ = aᵀ ȳ."""

    @staticmethod
    def forward(a, b):
        return a @ b

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        return grad @ b.mT if needs_a else None, a.mT @ grad if needs_b else None


# On whole matrices: the textbook.


def scores(q: Tensor, k: Tensor, mask: Tensor | None, opt: Options) -> Tensor:
    x = opt.scale * widen(q) @ widen(k).mT
    if mask is not None:
        x = x + mask
    return x + above_diagonal(x, 0) if opt.causal else x  # (1)


def lowest(x: Tensor) -> float:
    """A stand-in for the largest score of a row that may look nowhere: −∞ − lowest is −∞, not NaN."""
    return torch.finfo(x.dtype).min


def probabilities(x: Tensor) -> Tensor:
    """(2); zeros for a row that may look nowhere."""
    if x.shape[-1] == 0:
        return x
    p = (x - x.detach().amax(-1, keepdim=True).clamp_min(lowest(x))).exp()
    s = p.sum(-1, keepdim=True)
    return p / s.masked_fill(s == 0, 1)


def above_diagonal(x: Tensor, shift: int) -> Tensor:
    """−∞ where the column exceeds the row plus ``shift``, else 0."""
    return x.new_full(x.shape[-2:], -math.inf).triu_(1 + shift)


def factors(drawn: Tensor, opt: Options, like: Tensor) -> Tensor:
    """r"""
    return drawn.to(like.dtype) * (0 if opt.dropout == 1 else 1 / (1 - opt.dropout))


def attend(q, k, v, mask, drawn, opt):
    p = probabilities(scores(q, k, mask, opt))
    o = (p if drawn is None else p * factors(drawn, opt, p)) @ widen(v)  # (3)
    return (o.to(q.dtype),)


def adjoint(grad, q, k, v, mask, drawn, opt):
    grad, p = widen(grad), probabilities(scores(q, k, mask, opt))
    p_bar = grad @ widen(v).mT
    a = p
    if drawn is not None:
        r = factors(drawn, opt, p)
        a, p_bar = p * r, p_bar * r
    grad_v = a.mT @ grad  # (4)
    x_bar = p * (p_bar - (p * p_bar).sum(-1, keepdim=True))  # (5), (6)
    grad_q, grad_k = opt.scale * x_bar @ widen(k), opt.scale * x_bar.mT @ widen(q)  # (7)
    grad_mask = None if mask is None else unbroadcast(x_bar, mask.shape).to(mask.dtype)
    return grad_q.to(q.dtype), grad_k.to(k.dtype), grad_v.to(v.dtype), grad_mask


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


def raised(mask: Tensor | None, opt: Options) -> Tensor | None:
    """M, its finite numbers so near the lowest that log₂ e of them are −∞ moved away from there, in the same order."""
    if mask is None or not opt.low:
        return mask
    low = torch.finfo(mask.dtype).min / 2
    return torch.where(mask < low, mask / 4 + 0.75 * low, mask)


def block_scores(q, k, mask, opt, group, rows, keys, out):
    """(1) in units of log 2, c log₂ e being in q already."""
    x = torch.bmm(q[:, rows], k[:, keys].mT, out=out)
    if mask is not None:
        x.view(-1, group[1].stop - group[1].start, *x.shape[1:]).add_(part(mask, *group, rows, keys), alpha=LOG2_E)
    if opt.causal and keys.stop > rows.start + 1:
        x.add_(above_diagonal(x, rows.start - keys.start))
    return x


def block_factors(drawn, opt, group, rows, keys, like):
    return factors(drawn[(*group, rows, keys)], opt, like).view(like.shape)


# Up to KEPT rows and keys: a group of heads is a block.


def put_product(out: Tensor, a: Tensor, b: Tensor, factor: float = 1.0) -> None:
    """out (n, h, L, D) ← factor · a b, for a and b of n·h matrices; where that is possible without a copy."""
    if out.is_contiguous() and out.dtype is a.dtype:
        flat = out.view(-1, *out.shape[2:])
        torch.baddbmm(flat, a, b, beta=0, alpha=factor, out=flat)
    else:
        out.copy_(torch.bmm(a, b).mul_(factor).view(out.shape))


def attend_short(q, k, v, mask, drawn, opt):
    (N, H, L, _), S, D = q.shape, k.shape[2], v.shape[3]
    o = torch.empty_like(q) if q.shape[3] == D else q.new_empty(N, H, L, D)
    p, mask = widen(q[:0]).new_empty(N, H, L, S), raised(mask, opt)
    everything = slice(0, L), slice(0, S)
    for group in groups(N, H, L, S):
        scaled = flat(q, group) * (opt.scale * LOG2_E)
        x = block_scores(scaled, flat(k, group), mask, opt, group, *everything, out=p[group].flatten(0, 1))
        x.sub_(x.amax(-1, keepdim=True).clamp_min_(lowest(x))).exp2_()
        x.mul_(x.sum(-1, keepdim=True).clamp_min_(1).reciprocal_())
        a = x if drawn is None else x * block_factors(drawn, opt, group, *everything, x)
        put_product(o[group], a, flat(v, group))  # (3)
    return o, p


def adjoint_short(grad, delta, q, k, v, drawn, kept, opt, needs):
    (N, H, L, _), S = q.shape, k.shape[2]
    grads = grad_q, grad_k, grad_v = [
        torch.empty_like(t) if need else None for t, need in zip((q, k, v), needs, strict=True)
    ]
    (p,) = kept
    for group in groups(N, H, L, S):
        p_, grad_, r = p[group].flatten(0, 1), flat(grad, group), None
        if drawn is not None:
            r = block_factors(drawn, opt, group, slice(0, L), slice(0, S), p_)
        if grad_v is not None:
            put_product(grad_v[group], (p_ if r is None else p_ * r).mT, grad_)  # (4)
        if grad_q is None and grad_k is None:
            continue
        x_bar = torch.bmm(grad_, flat(v, group).mT)  # (5)
        if r is not None:
            x_bar.mul_(r)
        x_bar.sub_(flat(delta, group)).mul_(p_)  # (6)
        if grad_q is not None:
            put_product(grad_q[group], x_bar, flat(k, group), opt.scale)  # (7)
        if grad_k is not None:
            put_product(grad_k[group], x_bar.mT, flat(q, group), opt.scale)
    return *grads, None


# Beyond: blocks of ROWS and KEYS.


def seen(rows: slice, length: int, opt: Options) -> list[slice]:
    """The blocks of keys that a block of rows looks at."""
    return spans(min(length, rows.stop) if opt.causal else length, KEYS)


def long_groups(q: Tensor, k: Tensor) -> Iterator[Slices]:
    return groups(q.shape[0], q.shape[1], min(q.shape[2], ROWS), 2 * min(k.shape[2], KEYS))  # P and X̄ at a time


def room_for_block(q: Tensor, k: Tensor) -> Tensor:
    """Memory for the scores of one block of any group."""
    n, h = next(long_groups(q, k))
    heads = min(n.stop, q.shape[0]) * min(h.stop, q.shape[1])
    return widen(q[:0]).new_empty(heads * min(q.shape[2], ROWS) * min(k.shape[2], KEYS))


def block_memory(x: Tensor, rows: slice, keys: slice, memory: Tensor) -> Tensor:
    """Room for one block of the scores of heads x, in memory that is used again and again."""
    shape = x.shape[0], rows.stop - rows.start, keys.stop - keys.start
    return memory[: math.prod(shape)].view(shape)


def attend_long(q, k, v, mask, drawn, opt):
    L, S, D = q.shape[2], k.shape[2], v.shape[3]
    o = torch.empty_like(q) if q.shape[3] == D else q.new_empty(*q.shape[:3], D)
    largest, sums = widen(q[:0]).new_empty(2, *q.shape[:3], 1)
    memory, mask = room_for_block(q, k), raised(mask, opt)
    for group in long_groups(q, k):
        q_, k_, v_ = flat(q, group) * (opt.scale * LOG2_E), flat(k, group), flat(v, group)
        for rows in spans(L, ROWS):
            m = q_.new_full((q_.shape[0], rows.stop - rows.start, 1), lowest(q_))
            s, total = torch.zeros_like(m), m.new_zeros(*m.shape[:2], D)
            for keys in seen(rows, S, opt):
                x = block_scores(q_, k_, mask, opt, group, rows, keys, out=block_memory(q_, rows, keys, memory))
                larger = torch.maximum(m, x.amax(-1, keepdim=True))
                shrink = m.sub_(larger).exp2_()
                m = larger
                s.mul_(shrink).add_(x.sub_(m).exp2_().sum(-1, keepdim=True))
                if drawn is not None:
                    x.mul_(block_factors(drawn, opt, group, rows, keys, x))
                total.mul_(shrink).baddbmm_(x, v_[:, keys])
            s.clamp_min_(1)
            for whole, found in ((o, total.div_(s)), (largest, m), (sums, s)):
                whole[(*group, rows)] = found.unflatten(0, o[group].shape[:2])
    return o, largest, sums


def adjoint_long(grad, delta, q, k, v, mask, drawn, kept, opt, needs):
    """(4) and (7) for keys are computed transposed, as v̄ᵀ = ōᵀ (P r) and k̄ᵀ = c qᵀ X̄: it takes half as long again to
    transpose the larger factor."""
    L, S = q.shape[2], k.shape[2]
    grads = grad_q, grad_k, grad_v = [
        torch.empty_like(t) if need else None for t, need in zip((q, k, v), needs, strict=True)
    ]
    largest, sums = kept
    memory, memory_bar, mask = room_for_block(q, k), room_for_block(q, k), raised(mask, opt)
    for group in long_groups(q, k):
        q_, k_, v_ = flat(q, group) * (opt.scale * LOG2_E), flat(k, group), flat(v, group)
        m, s = flat(largest, group), flat(sums, group)
        grad_, delta_ = flat(grad, group) / s, flat(delta, group) / s
        q_t, grad_t = q_.mT.contiguous(), grad_.mT.contiguous()
        sum_q, sum_k, sum_v = torch.zeros_like(q_), torch.zeros_like(k_.mT), torch.zeros_like(v_.mT)
        for rows in spans(L, ROWS):
            for keys in seen(rows, S, opt):
                p = block_scores(q_, k_, mask, opt, group, rows, keys, out=block_memory(q_, rows, keys, memory))
                p.sub_(m[:, rows]).exp2_()  # (2), but for s, by which ō and δ are divided
                x_bar = torch.bmm(grad_[:, rows], v_[:, keys].mT, out=block_memory(q_, rows, keys, memory_bar))
                a = p
                if drawn is not None:
                    r = block_factors(drawn, opt, group, rows, keys, p)
                    a, x_bar = p * r, x_bar.mul_(r)
                x_bar.sub_(delta_[:, rows]).mul_(p)  # (6)
                if grad_v is not None:
                    sum_v[..., keys] += torch.bmm(grad_t[..., rows], a)  # (4)
                if grad_q is not None:
                    sum_q[:, rows].baddbmm_(x_bar, k_[:, keys])  # (7)
                if grad_k is not None:
                    sum_k[..., keys] += torch.bmm(q_t[..., rows], x_bar)
        for out, total, factor in zip(grads, (sum_q, sum_k.mT, sum_v.mT), (opt.scale, 1 / LOG2_E, 1), strict=True):
            if out is not None:
                out[group] = total.mul_(factor).unflatten(0, out[group].shape[:2])
    return *grads, None


# What users call.


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(c q kᵀ + M) v with q (…, L, E), k (…, S, E), v (…, S, D). See the module's page.

    A boolean mask is true where a query may look, an additive one is M; either has a shape that broadcasts to
    (…, L, S). With ``enable_gqa`` one head of k and v serves several consecutive heads of q.
    """
    q, k, v = autocast(query, key, value)
    check(q, k, v, attn_mask, dropout_p, is_causal)
    if enable_gqa:
        k, v = (grouped(t, q.size(-3)) for t in (k, v))
    batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    shape = (*batch, q.shape[-2], k.shape[-2])
    mask = None if attn_mask is None else four_dimensions(checked_mask(attn_mask, shape, q), shape)
    drawn = None
    if dropout_p:
        drawn = torch.zeros(shape, dtype=torch.bool, device=q.device)
        drawn = four_dimensions(drawn if dropout_p == 1 else drawn.bernoulli_(1 - dropout_p), shape)
    if scale is None:
        scale = 1 / math.sqrt(max(q.shape[-1], 1))
    low = mask is not None and attn_mask is not None and attn_mask.is_floating_point()
    opt = Options(float(scale), is_causal, max(shape[-2:]) <= KEPT, float(dropout_p), low)
    q, k, v = (four_dimensions(t.expand(*batch, *t.shape[-2:]), shape) for t in (q, k, v))
    with without_autocast(q):
        o = AttentionFn.apply(q, k, v, mask, drawn, opt)[0]
    return o.reshape(*batch, *o.shape[-2:])


def attention_with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float
) -> tuple[Tensor, Tensor]:
    """o and P r of (3), one step after the other. Here a row that may look nowhere is NaN."""
    q, k, v, mask = autocast(q, k, v, mask)
    x = ProductFn.apply(q * (1 / math.sqrt(q.shape[-1])), k.mT)
    p = dropout(softmax(x if mask is None else x + mask, -1), dropout_p)
    return ProductFn.apply(*autocast(p, v)), p


def check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, causal: bool) -> None:
    if min(q.dim(), k.dim(), v.dim()) < 2:
        raise RuntimeError(f"query, key and value need 2 dimensions, but have {q.dim()}, {k.dim()} and {v.dim()}")
    if not q.dtype == k.dtype == v.dtype:
        raise RuntimeError(f"query, key and value must be of one type, but are {q.dtype}, {k.dtype} and {v.dtype}")
    if not q.is_floating_point():
        raise RuntimeError(f"attention is not defined for {q.dtype}")
    if q.shape[-1] != k.shape[-1]:
        raise RuntimeError(f"query has rows of {q.shape[-1]} numbers, key of {k.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise RuntimeError(f"there are {k.shape[-2]} keys, but {v.shape[-2]} values")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but is {dropout_p}")
    if mask is not None and causal:
        raise RuntimeError("a mask does not go with is_causal")
    if mask is not None and not (mask.is_floating_point() or mask.dtype is torch.bool):
        raise RuntimeError(f"attn_mask must be boolean or of query's type {q.dtype}, but is {mask.dtype}")


def grouped(x: Tensor, heads: int) -> Tensor:
    """Every head of x (…, H, S, E) as often as it takes to have so many."""
    own = x.size(-3)
    if own == 0 or heads % own:
        raise RuntimeError(f"{heads} heads of query cannot share {own} heads of key or value")
    return x.unsqueeze(-3).expand(*x.shape[:-2], heads // own, *x.shape[-2:]).flatten(-4, -3)


def checked_mask(mask: Tensor, shape: tuple[int, ...], q: Tensor) -> Tensor:
    """M, where the mask broadcasts to the shape of the scores."""
    if torch.broadcast_shapes(mask.shape, shape) != torch.Size(shape):
        raise RuntimeError(f"attn_mask has the shape {tuple(mask.shape)}, which does not go with scores {shape}")
    if mask.dtype is torch.bool:
        return torch.zeros_like(mask, dtype=widen(q[:0]).dtype).masked_fill_(~mask, -math.inf)
    return mask


def four_dimensions(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What broadcasts to the shape (…, L, S), or begins like it, as batch, heads, rows, columns."""
    x = x[(None,) * (max(len(shape), 4) - x.dim())]
    return x.expand(*shape[:-3], *x.shape[-3:]).flatten(0, -4) if x.dim() > 4 else x
