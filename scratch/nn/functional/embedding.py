"""torch.nn.functional's embedding, embedding_bag and one_hot: their signatures and what they refuse.

The mathematics is in scratch/ops/embedding/.
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import continuous
from scratch.ops.core.function import at_hand
from scratch.ops.core.warning import warn
from scratch.ops.embedding.embedding import embedding as looked_up
from scratch.ops.embedding.embedding import renormalize
from scratch.ops.embedding.embedding_bag import bag_max, bag_sum
from scratch.ops.embedding.one_hot import one_hot as rows_of_classes


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (V, D) that input (…) names: (…, D). See scratch/ops/embedding/embedding.py."""
    if weight.dim() != 2:
        raise RuntimeError(f"weight must have 2 dimensions, got {weight.dim()}")
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise AssertionError(f"padding_idx must be within the {weight.shape[0]} rows, got {padding_idx}")
        padding_idx %= weight.shape[0]
    if max_norm is not None:
        renormalize(weight, input, max_norm, norm_type)
    return looked_up(input, weight, padding_idx, scale_grad_by_freq, sparse)


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
        return bag_max(weight, index, bag, bags)
    count = None
    if mode == "mean":
        ones = torch.ones_like(bag)
        count = ones.new_zeros(bags + 1).index_add(0, bag, ones)[:bags, None].clamp_min(1)
    scale = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    return bag_sum(weight, scale, index, bag, count, bags, scale_grad_by_freq, sparse)


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


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """(…) to (…, num_classes), which is by default the largest class and 1 more."""
    if input.dtype is not torch.int64:
        raise RuntimeError(f"one_hot takes int64, but got {input.dtype}")
    if num_classes == -1:
        if not input.numel():
            raise RuntimeError("one_hot of nothing needs num_classes")
        num_classes = int(input.max()) + 1
    if num_classes < 1:
        raise RuntimeError(f"num_classes must be at least 1, but is {num_classes}")
    if at_hand(input) and input.numel() and not (input.min() >= 0 and input.max() < num_classes):
        raise RuntimeError(f"classes must be in [0, {num_classes})")
    return rows_of_classes(input, num_classes)
