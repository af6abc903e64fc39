"""Multi-head attention: several attentions side by side, each on its own projection of queries, keys and values.

Shapes:     x_q (L, N, E)   x_k (S, N, K)   x_v (S, N, V)   y (L, N, E)   H heads of d = E / H numbers
            W_q (E, E)   W_k (E, K)   W_v (E, V), or all three as W_in (3E, E)   b_in (3E,)   W_o (E, E)   b_o (E,)
            q = x_q W_qᵀ + b_q,  k = x_k W_kᵀ + b_k,  v = x_v W_vᵀ + b_v                         (1)
            oₕ = attention(qₕ, kₕ, vₕ)  for the h-th d numbers of each row                       (2)
            y = [o₁ … o_H] W_oᵀ + b_o                                                           (3)
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

from scratch.ops.attention.attention import attention_with_weights, scaled_dot_product_attention
from scratch.ops.conv.pad import pad
from scratch.ops.core.warning import warn
from scratch.ops.linear import linear


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """y, and weights (N, L, S), (N, H, L, S) or None. Unbatched tensors are without N; with ``batch_first`` it is the
    first dimension of queries, keys, values and y. See the module's page."""
    batched = check_dimensions(query, key, value, key_padding_mask, attn_mask, num_heads)
    batch = 0 if batch_first else 1
    shared = query is key and key is value, key is value
    if not batched:
        query, key, value = (x.unsqueeze(batch) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    N, L = query.shape[batch], query.shape[1 - batch]
    if is_causal and attn_mask is None:
        raise RuntimeError("is_causal is a hint about attn_mask, which must be given too")
    key_padding_mask = additive(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    is_causal = is_causal and key_padding_mask is None and not need_weights
    attn_mask = None if is_causal else additive(attn_mask, "attn_mask", query.dtype)
    check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)

    if use_separate_proj_weight:
        separate = (query, key, value), (q_proj_weight, k_proj_weight, v_proj_weight), thirds(in_proj_bias)
        projected = tuple(project(*arguments) for arguments in zip(*separate, strict=True))
    else:
        projected = project_packed(query, key, value, shared, in_proj_weight, in_proj_bias)
    q, k, v = (split_heads(x, num_heads, batch) for x in projected)  # (N, H, L or S, d), (1)
    if static_k is not None:
        k = check_static(static_k, "key", N * num_heads, q.shape[3], bias_k).unflatten(0, (N, num_heads))
    if static_v is not None:
        v = check_static(static_v, "value", N * num_heads, q.shape[3], bias_v).unflatten(0, (N, num_heads))
    S = k.shape[2]

    masks = []
    if attn_mask is not None:
        shape = (L, S) if attn_mask.dim() == 2 else (N * num_heads, L, S)
        if attn_mask.shape != shape:
            raise RuntimeError(f"attn_mask must have the shape {shape}, but has {tuple(attn_mask.shape)}")
        masks.append(attn_mask[None, None] if attn_mask.dim() == 2 else attn_mask.unflatten(0, (N, num_heads)))
    if key_padding_mask is not None:
        if key_padding_mask.shape != (N, S):
            raise AssertionError(f"key_padding_mask must be {(N, S)}, but is {tuple(key_padding_mask.shape)}")
        masks.append(key_padding_mask[:, None, None])
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v go together")
    if bias_k is not None and bias_v is not None:
        k, v = (append(x, b.view(num_heads, 1, -1)) for x, b in ((k, bias_k), (v, bias_v)))
    if add_zero_attn:
        k, v = (append(x, x.new_zeros(1)) for x in (k, v))
    if k.shape[2] > S:
        masks = [pad(mask, (0, k.shape[2] - S), "constant", 0) for mask in masks]

    mask = sum(masks[1:], masks[0]) if masks else None
    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        o, weights = attention_with_weights(q, k, v, mask, p)  # (2)
    else:
        o = scaled_dot_product_attention(q, k, v, mask, p, is_causal)
    y = linear(merge_heads(o), out_proj_weight, out_proj_bias).movedim(1, batch)  # (3)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        y, weights = y.squeeze(batch), None if weights is None else weights.squeeze(0)
    return y, weights


# (1)


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


# Heads.


def split_heads(x: Tensor, heads: int, batch: int) -> Tensor:
    """(L, N, E), or (N, L, E) with batch = 0, -> (N, H, L, d)"""
    return x.unflatten(-1, (heads, -1)).movedim(batch, 0).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(N, H, L, d) -> (L, N, E), the order in memory of torch's output too: a dropout draws its numbers along it."""
    return x.permute(2, 0, 1, 3).flatten(-2)


def append(x: Tensor, row: Tensor) -> Tensor:
    """One more row in every head of x (N, H, S, d)."""
    return torch.cat((x, row.expand(*x.shape[:2], 1, x.shape[3])), 2)


# Checks.


def check_dimensions(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    """Whether there is a dimension N."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(f"query must have 2 or 3 dimensions, but has {dims}")
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(f"query has {dims} dimensions, but key {key.dim()} and value {value.dim()}")
    if padding is not None and padding.dim() != dims - 1:
        raise AssertionError(f"key_padding_mask must have {dims - 1} dimensions, but has {padding.dim()}")
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(f"attn_mask must have 2 or 3 dimensions, but has {mask.dim()}")
    if mask is not None and dims == 2 and mask.dim() == 3:
        expected = (heads, query.shape[0], key.shape[0])
        if mask.shape != expected:
            raise AssertionError(f"attn_mask must have the shape {expected}, but has {tuple(mask.shape)}")
    return dims == 3


def check_sizes(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int, separate: bool) -> None:
    E = query.shape[2]
    if embed_dim != E:
        raise AssertionError(f"query must have {embed_dim} features, but has {E}")
    if E % heads:
        raise AssertionError(f"{E} features cannot be shared out to {heads} heads")
    if key.shape[:2] != value.shape[:2] or not (separate or key.shape == value.shape):
        raise AssertionError(f"key {tuple(key.shape)} does not go with value {tuple(value.shape)}")


def check_static(x: Tensor, name: str, heads: int, size: int, bias: Tensor | None) -> Tensor:
    if bias is not None:
        raise AssertionError(f"a static {name} takes no bias")
    if x.shape[0] != heads or x.shape[2] != size:
        raise AssertionError(f"static {name} must be ({heads}, S, {size}), but is {tuple(x.shape)}")
    return x


def additive(
    mask: Tensor | None, name: str, dtype: torch.dtype, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """The mask as numbers to add, −∞ where it was true; it should be of the same type as another one."""
    if mask is None:
        return None
    if mask.dtype is not torch.bool and not mask.is_floating_point():
        raise AssertionError(f"{name} must be boolean or floating, but is {mask.dtype}")
    if other is not None and other.dtype != mask.dtype:
        warn(f"{name} and {other_name} of different types are deprecated", stacklevel=3)
    if mask.is_floating_point():
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -torch.inf)
