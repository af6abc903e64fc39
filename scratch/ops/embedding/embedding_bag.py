"""EmbeddingBag: the sum, mean or maximum of the rows of a table that a bag of indices names.

Shapes:     i (K,) int, in B bags, b (K,) the bag of each   W (V, D)   a (K,) weights   y (B, D)
            sum   y_b = Σ a_k W[i_k] over the k in bag b;   mean   y_b = Σ W[i_k] / n_b,  n_b ≥ 1      (1)
            max   y_bd = max W[i_k, d] over the k in bag b, at the place m_bd; an empty bag gives 0     (2)
Tangent:    ẏ_b = Σ (a_k Ẇ[i_k] + ȧ_k W[i_k]) / n_b   (3)    max: ẏ_bd = Ẇ[i_m, d]                     (4)
Adjoint:    W̄[v] = Σ a_k ȳ_b / n_b over all k with i_k = v   (5)     ā_k = ȳ_b · W[i_k] / n_b   (6)
            max: ȳ_bd goes to W̄[i_m, d]                                                              (7)
            ``scale_grad_by_freq``, ``sparse``, ``max_norm``: as in embedding.py. Indices that are ``padding_idx`` are
            left out of their bags: they go to one bag more, which is dropped.
Bags:       the rows of a matrix of indices, or the stretches of a list that begin at ``offsets``; the last of these is
            the end of the list with ``include_last_offset``, whatever its value, as in PyTorch.
Saved:      i, b, n, W, a; with max the i_m.   Recomputed: nothing.
Kinks:      the first of equal maxima.
Errors:     see scratch/nn/functional/embedding.py.
Reference:  torch.nn.functional.embedding_bag. Differs: weights of indices that are padding get gradient 0 where
            PyTorch's kernels leave them undefined; (6) has a second derivative.
Source:     Joulin, Grave, Bojanowski and Mikolov, Bag of tricks for efficient text classification (2017).
"""

import torch
from torch import Tensor

from scratch.ops.core.function import Function, numbers_known
from scratch.ops.embedding.embedding import frequency


class BagSumFn(Function):
    """W, a or None, i, b, n (B, 1) or None, and B -> y. What belongs to no bag has b = B."""

    @staticmethod
    def value(W, a, i, b, n, B, by_freq, sparse):
        return bag_sums(weighted(W.index_select(0, i), a), b, n, B)  # (1)

    @staticmethod
    def tangent(W_dot, a_dot, W, a, i, b, n, B):
        rows_dot = weighted(W_dot.index_select(0, i), a)
        if a is not None:
            rows_dot = rows_dot + weighted(W.index_select(0, i), a_dot)
        return bag_sums(rows_dot, b, n, B)  # (3)

    @staticmethod
    def adjoint(y_bar, W, a, i, b, n, B, by_freq, sparse):
        y_bar = y_bar if n is None else y_bar / n
        rows_bar = torch.cat([y_bar, y_bar.new_zeros(1, y_bar.shape[1])]).index_select(0, b)
        a_bar = None if a is None else (rows_bar * W.index_select(0, i)).sum(1)  # (6)
        rows_bar = weighted(rows_bar, a)
        rows_bar = rows_bar / frequency(i, len(W)) if by_freq else rows_bar
        if sparse:
            if numbers_known(b):  # an entry for each index that belongs to a bag, as torch has it
                i, rows_bar = i[b < B], rows_bar[b < B]
            return torch.sparse_coo_tensor(i[None], rows_bar, W.shape, check_invariants=False), a_bar
        return rows_bar.new_zeros(W.shape).index_add(0, i, rows_bar), a_bar  # (5)


def weighted(rows: Tensor, a: Tensor | None) -> Tensor:
    return rows if a is None else rows * a[:, None]


def bag_sums(rows: Tensor, b: Tensor, n: Tensor | None, B: int) -> Tensor:
    """The rows (K, D) of each bag, added up and divided by n."""
    total = rows.new_zeros(B + 1, rows.shape[1]).index_add(0, b, rows)[:B]
    return total if n is None else total / n


class BagMaxFn(Function):
    """W, i, b, B, and V = len(W) -> y, and for each number of y its i_m (B, D), which is V for an empty bag."""

    outputs = ("y", "i_m")

    @staticmethod
    def value(W, i, b, B, V):
        rows, D = W.index_select(0, i), W.shape[1]
        b = b[:, None].expand(-1, D)
        largest = rows.new_full((B + 1, D), -torch.inf).scatter_reduce(0, b, rows, "amax")
        k = torch.arange(len(i), device=i.device)[:, None].expand(-1, D)
        k = k.masked_fill(rows != largest.gather(0, b), len(i))
        m = k.new_full((B + 1, D), len(i)).scatter_reduce(0, b, k, "amin")[:B]
        i_m = torch.cat([i, i.new_full((1,), V)])[m]
        return taken(W, i_m), i_m  # (2)

    @staticmethod
    def tangent(W_dot, i_m):
        return taken(W_dot, i_m)  # (4)

    @staticmethod
    def adjoint(y_bar, i_m, V):
        return y_bar.new_zeros(V + 1, y_bar.shape[1]).scatter_add(0, i_m, y_bar)[:V]  # (7)


def taken(W: Tensor, i_m: Tensor) -> Tensor:
    """W[i_m, d], and 0 beyond the last row."""
    return torch.cat([W, W.new_zeros(1, W.shape[1])]).gather(0, i_m)


def bag_sum(
    W: Tensor, a: Tensor | None, i: Tensor, b: Tensor, n: Tensor | None, B: int, by_freq: bool, sparse: bool
) -> Tensor:
    """The sum, or with n the mean, of each of B bags: (B, D). See the module's page."""
    return BagSumFn.apply(W, a, i, b, n, B, by_freq, sparse)


def bag_max(W: Tensor, i: Tensor, b: Tensor, B: int) -> Tensor:
    """The maximum of each of B bags: (B, D). See the module's page."""
    return BagMaxFn.apply(W, i, b, B, W.shape[0])[0]
