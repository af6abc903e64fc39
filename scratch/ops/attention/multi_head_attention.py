"""Multi-head attention: several attentions side by side, each on its own projection of queries, keys and values.

Shapes:     x_q (L, N, E)   x_k (S, N, K)   x_v (S, N, V)   y (L, N, E)   H heads of d = E / H numbers
            W_q (E, E)   W_k (E, K)   W_v (E, V), or all three as W_in (3E, E)   b_in (3E,)   W_o (E, E)   b_o (E,)
            q = x_q W_qᵀ + b_q,  k = x_k W_kᵀ + b_k,  v = x_v W_vᵀ + b_v                         (1)
            oₕ = attention(qₕ, kₕ, vₕ)  for block h of d numbers in each row                     (2)
            y = [o₁ … o_H] W_oᵀ + b_o                                                           (3)
            scratch/nn/functional/attention.py puts these together.
Adjoint:    those of linear.py and attention.py; between them numbers are only rearranged.
Masks:      are added to the scores: attn_mask (L, S) or (N·H, L, S), and key_padding_mask (N, S). Booleans are −∞
            where true, the opposite of attention.py. The rows that options append to k and v are never masked.
Options:    bias_k, bias_v (1, 1, E) are a last row of k and v, learned and not projected; add_zero_attn appends a
            row of zeros, so that a query may look at nothing; static_k, static_v (N·H, S, d) replace k and v.
Weights:    P r of attention.py (N, H, L, S), or its mean over heads. A row that may look nowhere is NaN if weights
            are asked for, and else 0, as in PyTorch.
Errors:     AssertionError for sizes that do not fit, RuntimeError for an attn_mask that does not, and for is_causal
            without attn_mask: it is a hint that attn_mask is causal, and lets attention.py leave blocks out.
Reference:  torch.nn.functional.multi_head_attention_forward. Differs: nothing.
Source:     Vaswani et al., Attention is all you need (2017).
"""

import torch
from torch import Tensor

from scratch.ops.linear import linear


def project(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is None:
        raise AssertionError("a projection has no weight")
    if weight.shape[1] != x.shape[-1]:
        raise AssertionError(f"{x.shape[-1]} features do not go with a weight of shape {tuple(weight.shape)}")
    return linear(x, weight, bias)


def project_packed(
    query: Tensor, key: Tensor, value: Tensor, shared: tuple[bool, bool], weight: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """Projections that share their input are one product."""
    if weight is None:
        raise AssertionError("in_proj_weight is missing")
    E = query.shape[-1]
    all_same, key_is_value = shared
    if all_same:
        return linear(query, weight, bias).unflatten(-1, (3, E)).unbind(-2)
    if not key_is_value:
        return tuple(linear(*args) for args in zip((query, key, value), weight.chunk(3), thirds(bias), strict=True))
    w_q, w_kv = weight.split([E, 2 * E])
    b_q, b_kv = (None, None) if bias is None else bias.split([E, 2 * E])
    return linear(query, w_q, b_q), *linear(key, w_kv, b_kv).unflatten(-1, (2, E)).unbind(-2)


def thirds(bias: Tensor | None) -> tuple[Tensor | None, ...]:
    return (None, None, None) if bias is None else bias.chunk(3)


def split_heads(x: Tensor, heads: int, batch: int) -> Tensor:
    """(L, N, E), or (N, L, E) with batch = 0, -> (N, H, L, d)"""
    return x.unflatten(-1, (heads, -1)).movedim(batch, 0).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(N, H, L, d) -> (L, N, E), the order in memory of torch's output too: a dropout draws its numbers along it."""
    return x.permute(2, 0, 1, 3).flatten(-2)


def append(x: Tensor, row: Tensor) -> Tensor:
    """One more row in every head of x (N, H, S, d)."""
    return torch.cat((x, row.expand(*x.shape[:2], 1, x.shape[3])), 2)
