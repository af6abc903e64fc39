"""Embedding: y = W[i], the rows of a table that the indices i name.

Shapes:     i (…) int   W (V, D)   y (…, D)
Tangent:    ẏ = Ẇ[i]                                                                  (1)
Adjoint:    W̄[v] = Σ ȳₖ over all k with iₖ = v                                        (2)
            ``padding_idx``: that row of W̄ is 0: it is left out of (1) and (2).
            ``scale_grad_by_freq``: every ȳₖ is divided by how often iₖ occurs.       (3)
            ``sparse``: W̄ as a sparse COO tensor that lists the ȳₖ with their iₖ, uncoalesced.
max_norm:   rows in use whose p-norm ‖w‖ exceeds it are first set to w · max_norm / (‖w‖ + 1e-7), in place
            and outside differentiation: W itself changes.                                (4)
Saved:      i.   Recomputed: nothing.
Kinks:      none.
Errors:     IndexError where an index is outside [0, V); AssertionError where padding_idx is outside W;
            RuntimeError where W is no matrix, i no integers, or, in the backward, sparse comes together with
            scale_grad_by_freq.
Reference:  torch.nn.functional.embedding. Differs: torch leaves (3) out of the second derivative.
Source:     Bengio, Ducharme, Vincent and Jauvin, A neural probabilistic language model (2003).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function
from scratch.ops.linear import rows


class EmbeddingFn(Function):
    @staticmethod
    def forward(index, weight, padding_idx, scale_grad_by_freq, sparse):
        return weight.index_select(0, index.reshape(-1)).view(*index.shape, weight.shape[1])

    @staticmethod
    def setup_context(ctx, inputs, output):
        index, weight, ctx.padding_idx, ctx.scale_grad_by_freq, ctx.sparse = inputs
        ctx.shape = weight.shape
        ctx.save_for_backward(index)

    @staticmethod
    def backward(ctx, grad):
        index, grad, dtype = ctx.saved_tensors[0].reshape(-1), rows(grad), grad.dtype
        if ctx.sparse:
            if ctx.scale_grad_by_freq:
                raise RuntimeError("scale_grad_by_freq does not go with sparse gradients")
            if ctx.padding_idx is not None:
                used = index != ctx.padding_idx
                index, grad = index[used], grad[used]
            return None, torch.sparse_coo_tensor(index[None], grad, ctx.shape, check_invariants=False), None, None, None
        if ctx.scale_grad_by_freq:
            grad = grad / frequency(index, ctx.shape[0])  # (3)
        grad = widen(grad)
        grad_weight = grad.new_zeros(ctx.shape).index_add_(0, index, grad).to(dtype)  # (2)
        if ctx.padding_idx is not None:
            grad_weight[ctx.padding_idx] = 0
        return None, grad_weight, None, None, None


def frequency(index: Tensor, rows: int) -> Tensor:
    """How often each of the indices (N,) occurs among them, (N, 1)."""
    ones = torch.ones_like(index, dtype=torch.long)
    return ones.new_zeros(rows).index_add_(0, index, ones).index_select(0, index)[:, None]


@torch.no_grad()
def renormalize(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """(4), in place."""
    used = index.reshape(-1).long()  # where one occurs twice, it is twice the same that is written
    w = weight.index_select(0, used)
    norm = torch.linalg.vector_norm(w, norm_type, dim=1, keepdim=True)
    weight.index_copy_(0, used, torch.where(norm > max_norm, w * (max_norm / (norm + 1e-7)), w))


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (V, D) that input (…) names: (…, D). See the module's page."""
    if weight.dim() != 2:
        raise RuntimeError(f"weight must have 2 dimensions, got {weight.dim()}")
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise AssertionError(f"padding_idx must be within the {weight.shape[0]} rows, got {padding_idx}")
        padding_idx %= weight.shape[0]
    if max_norm is not None:
        renormalize(weight, input, max_norm, norm_type)
    return EmbeddingFn.apply(input, weight, padding_idx, scale_grad_by_freq, sparse)
