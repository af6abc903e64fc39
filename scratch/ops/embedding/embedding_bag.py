"""EmbeddingBag: the sum, mean or maximum of the rows of a table that a bag of indices names.

Shapes:     i (K,) int, in B bags, b (K,) the bag of each   W (V, D)   a (K,) weights   y (B, D)
            sum   y_b = Σ a_k W[i_k] over the k in bag b;   mean   y_b = Σ W[i_k] / n_b,  n_b ≥ 1      (1)
            max   y_bd = max W[i_k, d] over the k in bag b, at the place m_bd; an empty bag gives 0     (2)
Tangent:    ẏ_b = Σ (a_k Ẇ[i_k] + ȧ_k W[i_k]) / n_b;    max: ẏ_bd = Ẇ[i_m, d]
Adjoint:    W̄[v] = Σ a_k ȳ_b / n_b over all k with i_k = v   (3)     ā_k = ȳ_b · W[i_k]   (4)
            max: ȳ_bd goes to W̄[i_m, d]                                                              (5)
            ``scale_grad_by_freq``, ``sparse``, ``max_norm``: as in scratch/ops/embedding/embedding.py. Indices that are
            ``padding_idx`` are left out of their bags:
            they go to one bag more, which is dropped.
Bags:       the rows of a matrix of indices, or the stretches of a list that begin at ``offsets``; the last of these is
            the end of the list with ``include_last_offset``, whatever its value, as in PyTorch.
Saved:      i, b, n, W, a; with max i and m.   Recomputed: nothing.
Kinks:      the first of equal maxima.
Errors:     ValueError for wrong shapes, modes, or options that exclude each other; NotImplementedError for weights
            outside sum; RuntimeError for offsets that do not begin with 0 or go beyond the list, and for indices
            outside [0, V).
Reference:  torch.nn.functional.embedding_bag. Differs: weights of indices that are padding get gradient 0 where
            PyTorch's kernels leave them undefined; (4) has a second derivative.
Source:     Joulin, Grave, Bojanowski and Mikolov, Bag of tricks for efficient text classification (2017).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import continuous, widen
from scratch.ops.core.function import Function, at_hand
from scratch.ops.core.warning import warn
from scratch.ops.embedding.embedding import frequency, renormalize


class BagSumFn(Function):
    """W, a, i, b, and n (B, 1) or None -> y. What belongs to no bag has b = B."""

    @staticmethod
    def forward(weight, scale, index, bag, count, bags, by_freq, sparse):
        rows = widen(weight.index_select(0, index))
        rows = rows if scale is None else rows.mul_(scale[:, None])
        total = rows.new_zeros(bags + 1, weight.shape[1]).index_add_(0, bag, rows)[:bags]
        return (total if count is None else total.div_(count)).to(weight.dtype)  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, _, ctx.by_freq, ctx.sparse = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx, grad):
        weight, scale, index, bag, count = ctx.saved_tensors
        grad = widen(grad)
        grad = grad if count is None else grad / count
        grad_rows = torch.cat([grad, grad.new_zeros(1, grad.shape[1])]).index_select(0, bag)
        grad_weight: Any = None
        grad_scale = None
        if ctx.needs_input_grad[1]:
            grad_scale = (grad_rows * weight.index_select(0, index)).sum(1).to(scale.dtype)  # (4)
        if ctx.needs_input_grad[0]:
            grad_rows = grad_rows if scale is None else grad_rows * scale[:, None]
            if ctx.by_freq:
                grad_rows = grad_rows / frequency(index, len(weight))
            if ctx.sparse:
                used = bag < grad.shape[0]  # an entry for each index that belongs to a bag, as torch has it
                places, values = index[None, used], grad_rows[used].to(weight.dtype)
                grad_weight = torch.sparse_coo_tensor(places, values, weight.shape, check_invariants=False)
            else:
                grad_weight = grad_rows.new_zeros(weight.shape).index_add(0, index, grad_rows).to(weight.dtype)  # (3)
        return grad_weight, grad_scale, *[None] * 6


class BagMaxFn(Function):
    """W, i, b -> y, and the index that won (B, D), V for an empty bag."""

    @staticmethod
    def forward(weight, index, bag, bags):
        rows, (V, D) = weight.index_select(0, index), weight.shape
        bag = bag[:, None].expand(-1, D)
        largest = rows.new_full((bags + 1, D), -torch.inf).scatter_reduce_(0, bag, rows, "amax")
        place = torch.arange(len(index), device=index.device)[:, None].expand(-1, D)
        place = place.masked_fill(rows != largest.gather(0, bag), len(index))
        first = place.new_full((bags + 1, D), len(index)).scatter_reduce_(0, bag, place, "amin")[:bags]
        won = torch.cat([index, index.new_full((1,), V)])[first]
        extended = torch.cat([weight, weight.new_zeros(1, D)])
        return extended.gather(0, won), won  # (2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.shape = inputs[0].shape
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, grad, _):
        (won,) = ctx.saved_tensors
        V, D = ctx.shape
        return grad.new_zeros(V + 1, D).scatter_add(0, won, grad)[:V], None, None, None  # (5)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of weight (V, D) that each bag of input names: (B, D)."""
    if input.is_floating_point() and weight.dtype is torch.int64:
        warn("weight came first once; now it is embedding_bag(input, weight)", stacklevel=2)
        input, weight = weight, input
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        shapes = f"{list(per_sample_weights.shape)}, but input {list(input.shape)}"
        raise ValueError(f"per_sample_weights have the shape {shapes}")
    if weight.dim() != 2:
        raise ValueError(f"weight must have 2 dimensions, but has {weight.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be 'sum', 'mean' or 'max', but is {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("mode='max' goes with neither scale_grad_by_freq nor sparse")
    for whole in (input, offsets):
        if whole is not None and continuous(whole):
            raise RuntimeError(f"indices and offsets must be whole numbers, but are {whole.dtype}")
    index, bag, bags = bags_of(input.long(), None if offsets is None else offsets.long(), include_last_offset)
    if max_norm is not None:
        renormalize(weight, index, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"per_sample_weights go with mode='sum' only, not with {mode!r}")
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        raise RuntimeError(f"per_sample_weights are {per_sample_weights.dtype}, but weight is {weight.dtype}")
    V = weight.shape[0]
    if index.is_floating_point():
        raise RuntimeError(f"indices must be whole numbers, but are {index.dtype}")
    if at_hand(index) and index.numel() and not (index.min() >= 0 and index.max() < V):
        raise RuntimeError(f"Expected idx >= 0 && idx < num_embeddings, which is {V}")
    if padding_idx is not None:
        if not -V <= padding_idx < V:
            raise RuntimeError(f"padding_idx {padding_idx} is not within {V} rows")
        bag = bag.masked_fill(index == padding_idx % V, bags)
    if mode == "max":
        return BagMaxFn.apply(weight, index, bag, bags)[0]
    count = None
    if mode == "mean":
        ones = torch.ones_like(bag)
        count = ones.new_zeros(bags + 1).index_add_(0, bag, ones)[:bags, None].clamp_min_(1)
    scale = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    return BagSumFn.apply(weight, scale, index, bag, count, bags, scale_grad_by_freq, sparse)


def bags_of(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, Tensor, int]:
    """The indices in one row, the bag of each, and how many bags there are."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("the rows of a matrix are the bags: it takes no offsets")
        rows = torch.arange(input.shape[0], device=input.device)[:, None].expand(input.shape)
        return input.reshape(-1), rows.reshape(-1), input.shape[0]
    if input.dim() != 1:
        raise ValueError(f"input must have 1 or 2 dimensions, but has {input.dim()}")
    if offsets is None or offsets.dim() != 1:
        raise ValueError("a row of indices needs offsets, of one dimension")
    if at_hand(offsets) and len(offsets) and (offsets[0] != 0 or offsets[-1] > len(input)):
        raise RuntimeError(f"offsets must begin with 0 and end within {len(input)} indices")
    if at_hand(offsets) and (offsets[1:] < offsets[:-1]).any():
        raise IndexError("offsets must not decrease")
    if include_last_offset and not len(offsets):
        raise RuntimeError("include_last_offset needs at least one offset")
    place = torch.arange(len(input), device=input.device, dtype=offsets.dtype)
    bags = len(offsets) - include_last_offset
    return input, (torch.searchsorted(offsets, place, right=True) - 1).clamp_max(max(bags - 1, 0)), bags
