"""The attentions of torch.nn.functional: their signatures and checks; the mathematics is in scratch/ops/attention/."""

import math

import torch
from torch import Tensor

from scratch.nn.functional.dropout import dropout
from scratch.nn.functional.pad import pad
from scratch.ops.activation.softmax import softmax
from scratch.ops.attention.attention import attention
from scratch.ops.attention.multi_head_attention import append, merge_heads, project, project_packed, split_heads, thirds
from scratch.ops.core.dtype import autocast, wide_type
from scratch.ops.core.warning import warn
from scratch.ops.linear import linear
from scratch.ops.matmul import matmul


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
    """softmax(c q kᵀ + M) v with q (…, L, E), k (…, S, E), v (…, S, D). See ops/attention/attention.py.

    A boolean mask is true where a query may look, an additive one is M; either has a shape that broadcasts to
    (…, L, S). With ``enable_gqa`` one head of k and v serves several consecutive heads of q.
    """
    q, k, v = autocast(query, key, value)
    check(q, k, v, attn_mask, dropout_p, is_causal, (torch.bool, torch.float32, query.dtype, q.dtype))
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
    q, k, v = (four_dimensions(t.expand(*batch, *t.shape[-2:]), shape) for t in (q, k, v))
    o = attention(q, k, v, mask, drawn, float(scale), is_causal, float(dropout_p))
    return o.reshape(*batch, *o.shape[-2:])


def attention_with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float
) -> tuple[Tensor, Tensor]:
    """o and P r of (3), one step after the other. Here a row that may look nowhere is NaN."""
    q, k, v, mask = autocast(q, k, v, mask)
    x = matmul(q * (1 / math.sqrt(q.shape[-1])), k.mT)
    p = dropout(softmax(x if mask is None else x + mask, -1), dropout_p)
    return matmul(*autocast(p, v)), p


def check(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, causal: bool, types: tuple[torch.dtype, ...]
) -> None:
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
    if mask is not None and mask.dtype not in types:
        raise RuntimeError(f"attn_mask must be boolean, float32 or of query's type {q.dtype}, but is {mask.dtype}")


def grouped(x: Tensor, heads: int) -> Tensor:
    """Every head of x (…, H, S, E) as often as it takes to have so many."""
    own = x.size(-3)
    if own == heads:
        return x
    if own == 0 or heads % own:
        raise RuntimeError(f"{heads} heads of query cannot share {own} heads of key or value")
    return x.unsqueeze(-3).expand(*x.shape[:-2], heads // own, *x.shape[-2:]).flatten(-4, -3)


def checked_mask(mask: Tensor, shape: tuple[int, ...], q: Tensor) -> Tensor:
    """M, where the mask broadcasts to the shape of the scores."""
    if torch.broadcast_shapes(mask.shape, shape) != torch.Size(shape):
        raise RuntimeError(f"attn_mask has the shape {tuple(mask.shape)}, which does not go with scores {shape}")
    if mask.dtype is torch.bool:
        return torch.zeros_like(mask, dtype=wide_type(q)).masked_fill_(~mask, -math.inf)
    return mask


def four_dimensions(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What broadcasts to the shape (…, L, S), or begins like it, as batch, heads, rows, columns."""
    x = x[(None,) * (max(len(shape), 4) - x.dim())]
    return x.expand(*shape[:-3], *x.shape[-3:]).flatten(0, -4) if x.dim() > 4 else x


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
    first dimension of queries, keys, values and y. See ops/attention/multi_head_attention.py."""
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
        masks = [pad(mask, (0, k.shape[2] - S)) for mask in masks]

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
