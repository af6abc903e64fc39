"""Graph convolution: Y = Â X Wᵀ + b,  Â = D^(-1/2) (A + I) D^(-1/2),  in O(edges), never a dense matrix.

A graph of n nodes is a list of E edges, edge_index (2, E), each from a source j to a target i, of weight
w_e, 1 where none is given. A_ij sums the weights of the edges j -> i. Â is kept as its non-zeros, one for
each edge and for each node's loop: sorted by rows (CSR), and once more by columns, which is its transpose.
It is made once for a graph by ``gcn_adjacency`` and passed to every layer and in every epoch.

What becomes of which edge, as in torch_geometric's GCNConv:
    duplicates   add up, like one edge of the summed weight
    self-loops   a given loop i -> i replaces the one that I adds; of several the last one listed counts
    isolated     a node without edges keeps its own loop: Â_ii = 1
    directed     d_i sums the edges that arrive at i, for rows and columns alike; Â is not symmetric then
    degree 0     (weights that cancel the loop) d^(-1/2) counts as 0;   a negative degree gives NaN

1. normalisation     d_i = Σ_{e: j->i} w_e     s = d^(-1/2)     v_e = s_i w_e s_j                         (1)
   Shapes:   w (E,)   d, s (n,)   v one for each non-zero: at most E + n
   Tangent:  ḋ_i = Σ_{e: j->i} ẇ_e     ṡ = -½ s³ ḋ                                                     (2)
             v̇_e = s_i ẇ_e s_j + ṡ_i w_e s_j + s_i w_e ṡ_j                                             (3)
   Adjoint:  s̄_k = Σ_{e: j->k} v̄_e w_e s_j + Σ_{e: k->i} v̄_e w_e s_i                                    (4)
             d̄ = -½ s³ s̄                                                                                (5)
             w̄_e = v̄_e s_i s_j + d̄_i                                                                    (6)
   Saved:    w.   Recomputed: d and s.   Kink: where d = 0, ṡ is 0 too.

2. propagation       Y = Â X + b,  that is  y_i = Σ_{e: j->i} v_e x_j + b                               (7)
   Shapes:   X (J, F)   Â (I, J)   b (F,) or None   Y (I, F)
   Tangent:  ẏ_i = Σ_{e: j->i} (v_e ẋ_j + v̇_e x_j) + ḃ                                                 (8)
   Adjoint:  x̄_j = Σ_{e: j->i} v_e ȳ_i      the same product, transposed: X̄ = Âᵀ Ȳ                       (9)
             v̄_e = ⟨ȳ_i, x_j⟩ for the non-zeros alone                                                  (10)
             b̄ = Σ_i ȳ_i                                                                               (11)
   Saved:    Â and its transpose; X where v needs a gradient.
   Fast:     (7) and (9) as products of a sparse matrix, (10) as a product of matrices at some places only. The rows
             x_j are not copied for every edge then. Neither torch.compile, torch.func nor second derivatives know them.

3. readout           a row for each graph of a batch: the sum, mean or maximum of the rows of its nodes
   Shapes:   x (N, F)   batch (N,) the graph of each node   y (B, F); a graph without nodes gives 0
   Sum, mean: (7) on the matrix (B, N) with 1, or 1/n_g, where node i belongs to graph g
   Maximum:  y_g = max x_i over the nodes i of graph g                                                  (12)
   Tangent:  ẏ_g = the mean of ẋ_i over the nodes with x_i = y_g                                        (13)
   Adjoint:  x̄_i = [x_i = y_g] ȳ_g / number of these nodes                                             (14)
   Kinks:    tied maxima share the gradient evenly, as torch.amax and scatter_reduce have it.

Relations:  R kinds of edges, each with a weight of its own: y_i = Σ_r mean_{j in N_r(i)} W_r x_j. This is (7) on an
            (n, n R) matrix, in which column j R + r is node j seen through relation r, applied to the n R rows W_r
            x_j.

Cost:       O(E F) time; in the fast form memory for the non-zeros and n rows (n R for relations).
Errors:     see scratch/nn/functional/graph.py.
Reference:  GCNConv and RGCNConv of zoo.layers and of torch_geometric. Differs: the latter's gradient
            at d = 0 is NaN, and each of several loops at a node gets one, though only the last counts.
Source:     Kipf and Welling, Semi-supervised classification with graph convolutional networks (2017);
            Schlichtkrull et al., Modeling relational data with graph convolutional networks (2018).
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from scratch.ops.core.function import Function, values_known

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


class SparseMatrix(NamedTuple):
    """A sparse matrix (I, J), its non-zeros sorted by rows, and the same numbers sorted by columns."""

    value: Tensor  # v (E,), the non-zeros, row after row
    crow: Tensor  # (I + 1,) where each row begins
    col: Tensor  # (E,) the column of each
    value_t: Tensor  # the same of the transpose (J, I)
    crow_t: Tensor
    col_t: Tensor

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self.crow) - 1, len(self.crow_t) - 1])

    @property
    def dtype(self) -> torch.dtype:
        return self.value.dtype

    def to_dense(self) -> Tensor:
        return as_csr(self.value, self.crow, self.col, self.shape[1]).to_dense()


def with_transpose(value: Tensor, row: Tensor, col: Tensor, size: Sequence[int]) -> SparseMatrix:
    """The matrix of non-zeros that are sorted by row, then by column."""
    order = by_column(col)
    return SparseMatrix(
        value,
        starts(row, size[0]),
        col,
        take(value, order),
        starts(take(col, order), size[1]),
        take(row, order),
    )


def take(values: Tensor, places: Tensor) -> Tensor:
    """values[places] along the first dimension, several times as fast."""
    return values.index_select(0, places)


def starts(sorted_rows: Tensor, count: int) -> Tensor:
    """Where each of ``count`` rows begins in a sorted list of row numbers, (count + 1,)."""
    return torch.searchsorted(sorted_rows, torch.arange(count + 1, device=sorted_rows.device), out_int32=True)


def by_column(col: Tensor) -> Tensor:
    """The order that turns the non-zeros sorted by rows into the transpose's."""
    return torch.sort(col, stable=True).indices


class NormaliseFn(Function):
    """w -> v. ``entry`` names the weight of each non-zero; E, one past the last, is a loop of 1."""

    outputs = ("v",)

    @staticmethod
    def value(w, entry, target, source, n):
        w, s = weights_and_scales(w, entry, target, n)
        return take(s, target) * w * take(s, source)  # (1)

    @staticmethod
    def tangent(w_dot, w, entry, target, source, n):
        w_dot = of_entries(w_dot, 0, entry)
        w, s = weights_and_scales(w, entry, target, n)
        s_dot = -0.5 * s**3 * summed(w_dot, target, n)  # (2)
        s_i, s_j = take(s, target), take(s, source)
        return s_i * w_dot * s_j + take(s_dot, target) * w * s_j + s_i * w * take(s_dot, source)  # (3)

    @staticmethod
    def adjoint(v_bar, w, entry, target, source, n):
        E = len(w)
        w, s = weights_and_scales(w, entry, target, n)
        s_i, s_j = take(s, target), take(s, source)
        s_bar = summed(v_bar * w * s_j, target, n) + summed(v_bar * w * s_i, source, n)  # (4)
        d_bar = -0.5 * s**3 * s_bar  # (5)
        return summed(v_bar * s_i * s_j + take(d_bar, target), entry, E + 1)[:E]  # (6)


def summed(values: Tensor, places: Tensor, count: int) -> Tensor:
    """The sum of those values, numbers or rows, that have each of ``count`` places."""
    return values.new_zeros(count, *values.shape[1:]).index_add(0, places, values)


def of_entries(w: Tensor, loop: float, entry: Tensor) -> Tensor:
    """The number of each non-zero, given that of each edge and that of a loop."""
    return take(torch.cat([w, w.new_full((1,), loop)]), entry)


def weights_and_scales(w: Tensor, entry: Tensor, target: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The weight of each non-zero and s of each node."""
    w = of_entries(w, 1, entry)
    d = summed(w, target, n)
    zero = d == 0
    return w, d.masked_fill(zero, 1).pow(-0.5).masked_fill(zero, 0)


class PropagateFn(Function):
    """x, b or None, v, which is constant, and where the non-zeros are -> y."""

    @staticmethod
    def value(x, b, v, crow, col, v_t, crow_t, col_t):
        y = summed(v[:, None] * take(x, col), rows_of(crow, col), len(crow) - 1)
        return y if b is None else y + b  # (7)

    @staticmethod
    def tangent(x_dot, b_dot, v, crow, col):
        return summed(v[:, None] * take(x_dot, col), rows_of(crow, col), len(crow) - 1) + b_dot  # (8)

    @staticmethod
    def adjoint(y_bar, v, crow, col, crow_t):
        x_bar = summed(v[:, None] * take(y_bar, rows_of(crow, col)), col, len(crow_t) - 1)  # (9)
        return x_bar, y_bar.sum(0)  # (11)

    @staticmethod
    def fast_value(x, b, v, crow, col, v_t, crow_t, col_t):
        return product(as_csr(v, crow, col, x.shape[0]), x, b)

    @staticmethod
    def fast_adjoint(needs, y_bar, v, crow, col, v_t, crow_t, col_t):
        x_bar = product(as_csr(v_t, crow_t, col_t, y_bar.shape[0]), y_bar) if needs[0] else None
        return x_bar, y_bar.sum(0) if needs[1] else None


class WeightedPropagateFn(Function):
    """The same where v has a gradient, too."""

    value, fast_value = staticmethod(PropagateFn.value), staticmethod(PropagateFn.fast_value)

    @staticmethod
    def tangent(x_dot, b_dot, v_dot, x, v, crow, col):
        rows_dot = v[:, None] * take(x_dot, col) + v_dot[:, None] * take(x, col)
        return summed(rows_dot, rows_of(crow, col), len(crow) - 1) + b_dot  # (8)

    @staticmethod
    def adjoint(y_bar, x, v, crow, col, crow_t):
        v_bar = (take(y_bar, rows_of(crow, col)) * take(x, col)).sum(1)  # (10)
        return *PropagateFn.adjoint(y_bar, v, crow, col, crow_t), v_bar

    @staticmethod
    def fast_adjoint(needs, y_bar, x, v, crow, col, v_t, crow_t, col_t):
        v_bar = None
        if needs[2]:
            pattern = as_csr(torch.zeros_like(v), crow, col, x.shape[0])
            v_bar = torch.sparse.sampled_addmm(pattern, y_bar, x.t()).values()
        return *PropagateFn.fast_adjoint(needs, y_bar, v, crow, col, v_t, crow_t, col_t), v_bar


def rows_of(crow: Tensor, col: Tensor) -> Tensor:
    """The row of each non-zero."""
    return torch.searchsorted(crow, torch.arange(col.shape[0], device=col.device), right=True) - 1


def as_csr(value: Tensor, crow: Tensor, col: Tensor, columns: int) -> Tensor:
    return torch.sparse_csr_tensor(crow, col, value, (crow.shape[0] - 1, columns), check_invariants=False)


def product(matrix: Tensor, x: Tensor, b: Tensor | None = None) -> Tensor:
    if b is None:  # matrix @ x would fill the result with zeros first
        return torch.addmm(x.new_zeros(1), matrix, x, beta=0)
    return torch.addmm(b, matrix, x)


class MaxReadoutFn(Function):
    @staticmethod
    def value(x, batch, B):
        return largest(x, batch, B)  # (12)

    @staticmethod
    def tangent(x_dot, x, batch, B):
        maximal, count = maxima(x, batch, B)
        return summed(maximal * x_dot, batch, B) / count  # (13)

    @staticmethod
    def adjoint(y_bar, x, batch, B):
        maximal, count = maxima(x, batch, B)
        return maximal * take(y_bar / count, batch)  # (14)


def largest(x: Tensor, batch: Tensor, B: int) -> Tensor:
    index = batch.unsqueeze(1).expand_as(x)
    return x.new_zeros(B, x.shape[1]).scatter_reduce(0, index, x, "amax", include_self=False)


def maxima(x: Tensor, batch: Tensor, B: int) -> tuple[Tensor, Tensor]:
    """1 for each x_i that is y_g, and how many these are in each graph."""
    maximal = (x == take(largest(x.detach(), batch, B), batch)).to(x.dtype)
    return maximal, summed(maximal, batch, B).clamp(min=1)


def normalise(w: Tensor, entry: Tensor, target: Tensor, source: Tensor, n: int) -> Tensor:
    """(1) for the weights w (E,): v of the non-zeros, each with its entry in w, its row and its column."""
    return NormaliseFn.apply(w, entry, target, source, n)


def propagate(x: Tensor, adjacency: SparseMatrix, b: Tensor | None = None) -> Tensor:
    """Y = Â X + b with X (J, F), Â (I, J), b (F,): each node's sum over the edges that arrive at it."""
    constant = not adjacency.value.requires_grad and values_known() and forward_ad._current_level < 0
    return (PropagateFn if constant else WeightedPropagateFn).apply(x, b, *adjacency)


def max_readout(x: Tensor, batch: Tensor, B: int) -> Tensor:
    """The largest value of each feature over the nodes of each of B graphs: x (N, F), batch (N,) -> (B, F)."""
    return MaxReadoutFn.apply(x, batch, B)
