"""Embedding: y = W[i], the rows of a table that the indices i name.

Shapes:     i (…) int   W (V, D)   y (…, D)
Value:      y = W[i]                                                                  (1)
Tangent:    ẏ = Ẇ[i]                                                                  (2)
Adjoint:    W̄[v] = Σ ȳₖ over all k with iₖ = v                                        (3)
            ``padding_idx``: that row of W̄ is 0                                       (4)
            ``scale_grad_by_freq``: every ȳₖ is divided by how often iₖ occurs         (5)
            ``sparse``: W̄ as a sparse COO tensor that lists the ȳₖ with their iₖ, uncoalesced.
            (4) and (5) are meant for steps of training, not for derivatives: (2) knows nothing of them, as in PyTorch.
max_norm:   rows in use whose p-norm ‖w‖ exceeds it are first set to w · max_norm / (‖w‖ + 1e-7), in place
            and outside differentiation: W itself changes.                                (6)
Saved:      i.   Recomputed: nothing.
Fast form:  (3) into the memory of W̄: its textbook form makes the zeros of the whole table, and a copy to add to.
Kinks:      none.
Errors:     IndexError where an index is outside [0, V); RuntimeError where i are no integers, or, in the backward,
            where sparse comes together with scale_grad_by_freq; see also scratch/nn/functional/embedding.py.
Reference:  torch.nn.functional.embedding. Differs: torch leaves (5) out of the second derivative.
Source:     Bengio, Ducharme, Vincent and Jauvin, A neural probabilistic language model (2003).
"""

import torch
from torch import Tensor
from torch.autograd import forward_ad

from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function
from scratch.ops.linear import rows


class EmbeddingFn(Function):
    """W, i, and V = len(W) -> y."""

    wide = False

    @staticmethod
    def value(W, i, V, padding_idx, by_freq, sparse):
        return look_up(W, i)  # (1)

    @staticmethod
    def tangent(W_dot, i):
        return look_up(W_dot, i)  # (2)

    @staticmethod
    def adjoint(y_bar, i, V, padding_idx, by_freq, sparse):
        y_bar, i = rows(widen(y_bar)), i.reshape(-1)
        if sparse:
            return listed(y_bar, i, V, padding_idx, by_freq)
        y_bar = left_out(y_bar, i, V, padding_idx, by_freq)
        return y_bar.new_zeros(V, y_bar.shape[1]).index_add(0, i, y_bar)  # (3)

    @staticmethod
    def fast_if(W, i, V, padding_idx, by_freq, sparse):
        return not sparse

    @staticmethod
    def fast_adjoint(needs, y_bar, i, V, padding_idx, by_freq):
        y_bar, i = rows(widen(y_bar)), i.reshape(-1)
        W_bar = y_bar.new_zeros(V, y_bar.shape[1]).index_add_(0, i, y_bar / frequency(i, V) if by_freq else y_bar)
        if padding_idx is not None:
            W_bar[padding_idx] = 0
        return W_bar


def look_up(W: Tensor, i: Tensor) -> Tensor:
    """W[i]"""
    return W.index_select(0, i.reshape(-1)).view(*i.shape, W.shape[1])


def left_out(y_bar: Tensor, i: Tensor, V: int, padding_idx: int | None, by_freq: bool) -> Tensor:
    """What each ȳₖ adds to W̄."""
    if padding_idx is not None:
        y_bar = y_bar.masked_fill((i == padding_idx).unsqueeze(1), 0)  # (4)
    return y_bar / frequency(i, V) if by_freq else y_bar  # (5)


def listed(y_bar: Tensor, i: Tensor, V: int, padding_idx: int | None, by_freq: bool) -> Tensor:
    """W̄, sparse."""
    if by_freq:
        raise RuntimeError("scale_grad_by_freq does not go with sparse gradients")
    if padding_idx is not None:
        used = i != padding_idx
        i, y_bar = i[used], y_bar[used]
    return torch.sparse_coo_tensor(i[None], y_bar, (V, y_bar.shape[1]), check_invariants=False)


def frequency(index: Tensor, rows: int) -> Tensor:
    """How often each of the indices (N,) occurs among them, (N, 1)."""
    ones = torch.ones_like(index, dtype=torch.long)
    return ones.new_zeros(rows).index_add(0, index, ones).index_select(0, index)[:, None]


@torch.no_grad()
def renormalize(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """(6), in place."""
    used = index.reshape(-1).long()  # where one occurs twice, it is twice the same that is written
    with forward_ad._set_fwd_grad_enabled(False):
        w = weight.index_select(0, used)
        norm = torch.linalg.vector_norm(w, norm_type, dim=1, keepdim=True)
        weight.index_copy_(0, used, torch.where(norm > max_norm, w * (max_norm / (norm + 1e-7)), w))


def embedding(i: Tensor, W: Tensor, padding_idx: int | None, by_freq: bool, sparse: bool) -> Tensor:
    """The rows of W (V, D) that i (…) names: (…, D). See the module's page."""
    return EmbeddingFn.apply(W, i, W.shape[0], padding_idx, by_freq, sparse)
