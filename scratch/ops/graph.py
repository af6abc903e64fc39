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

1. normalisation     d_i = Σ_{e: j->i} w_e     s = d^(-1/2)     v_e = s_i w_e s_j
   Shapes:   w (E,)   d, s (n,)   v one for each non-zero: at most E + n
   Tangent:  v̇_e = s_i ẇ_e s_j + ṡ_i w_e s_j + s_i w_e ṡ_j      ṡ = -½ s³ ḋ     ḋ_i = Σ_{e: j->i} ẇ_e    (1)
   Adjoint:  s̄_k = Σ_{e: j->k} v̄_e w_e s_j + Σ_{e: k->i} v̄_e w_e s_i                                    (2)
             d̄ = -½ s³ s̄                                                                                (3)
             w̄_e = v̄_e s_i s_j + d̄_i                                                                    (4)
   Saved:    w.   Recomputed: d and s.   Kink: where d = 0, ṡ is 0 too.

2. propagation       Y = Â X + b,  that is  y_i = Σ_{e: j->i} v_e x_j + b
   Shapes:   X (J, F)   Â (I, J)   b (F,) or None   Y (I, F)
   Tangent:  Ẏ = Â Ẋ + Σ_e v̇_e x_j + ḃ                          (5)
   Adjoint:  X̄ = Âᵀ Ȳ         the same product, transposed       (6)
             v̄_e = ⟨ȳ_i, x_j⟩ for the non-zeros alone            (7)
             b̄ = Σ_i ȳ_i                                         (8)
   Saved:    Â and its transpose; X where v needs a gradient.

3. edge products     z_e = ⟨a_i, b_j⟩, which is (7) as an op of its own, to be differentiated again
   Tangent:  ż_e = ⟨ȧ_i, b_j⟩ + ⟨a_i, ḃ_j⟩                       (9)
   Adjoint:  ā = Z b,  b̄ = Zᵀ a,  Z the sparse matrix of z̄       (10)
   Saved:    a and b.   Recomputed: the order of the columns, in this second derivative alone.

4. readout           a row for each graph of a batch: the sum, mean or maximum of the rows of its nodes
   Shapes:   x (N, F)   batch (N,) the graph of each node   y (B, F); a graph without nodes gives 0
   Sum, mean: (5) on the matrix (B, N) with 1, or 1/n_g, where node i belongs to graph g
   Maximum:  ẏ_g = the mean of ẋ_i over the nodes with x_i = y_g                                         (11)
             x̄_i = [x_i = y_g] ȳ_g / number of these nodes                                              (12)
   Kinks:    tied maxima share the gradient evenly, as torch.amax and scatter_reduce have it.

Relations: R kinds of edges, each with a weight of its own: y_i = Σ_r mean_{j in N_r(i)} W_r x_j. This
is (5) on an (n, n R) matrix, in which column j R + r is node j seen through relation r, applied to the
n R rows W_r x_j.

Cost:       O(E F) time; memory for the non-zeros and n rows (n R for relations). Rows are not copied for
            every edge, except where torch.compile or torch.func trace, which know no sparse matrices.
Errors:     ValueError for an edge that names a missing node, and for lists of the wrong shape.
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

from scratch.ops.core.dtype import without_autocast
from scratch.ops.core.function import Function, at_hand, values_known
from scratch.ops.dropout import dropout
from scratch.ops.linear import linear

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


class SparseMatrix(NamedTuple):
    """A sparse matrix (I, J), its non-zeros sorted by rows, and the same numbers sorted by columns."""

    value: Tensor  # (E,) the non-zeros, row after row
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

    def t(self) -> "SparseMatrix":
        return SparseMatrix(self.value_t, self.crow_t, self.col_t, self.value, self.crow, self.col)


def take(values: Tensor, places: Tensor) -> Tensor:
    """values[places] along the first dimension, several times as fast."""
    return values.index_select(0, places)


def starts(sorted_rows: Tensor, count: int) -> Tensor:
    """Where each of ``count`` rows begins in a sorted list of row numbers, (count + 1,)."""
    return torch.searchsorted(sorted_rows, torch.arange(count + 1, device=sorted_rows.device), out_int32=True)


def by_column(col: Tensor) -> Tensor:
    """The order that turns the non-zeros sorted by rows into the transpose's."""
    return torch.sort(col, stable=True).indices


def check_edges(edge_index: Tensor, num_nodes: int) -> None:
    """Raise a ValueError unless edge_index is (2, E) and names nodes from 0 to num_nodes - 1."""
    if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.is_floating_point():
        raise ValueError(
            f"edge_index must be integers of shape (2, E), got {edge_index.dtype} {tuple(edge_index.shape)}"
        )
    missing = ((edge_index < 0) | (edge_index >= num_nodes)).any(0)
    if at_hand(missing) and missing.any():
        source, target = edge_index[:, missing.nonzero()[0, 0]].tolist()
        raise ValueError(f"edge {source} -> {target} names a missing node: there are nodes 0 to {num_nodes - 1}")


class NormaliseFn(Function):
    """v from w: page 1. ``entry`` names the weight of each non-zero; E, one past the last, is a loop of 1."""

    @staticmethod
    def forward(weight, entry, target, source, num_nodes):
        w, s = gathered(weight, entry, target, num_nodes)
        return take(s, target) * w * take(s, source)

    @staticmethod
    def setup_context(ctx, inputs, output):
        weight, entry, target, source, num_nodes = inputs
        ctx.save_for_backward(weight, entry, target, source)
        ctx.num_nodes = num_nodes

    @staticmethod
    def backward(ctx, grad):
        weight, entry, target, source = ctx.saved_tensors
        w, s = gathered(weight, entry, target, ctx.num_nodes)
        s_target, s_source = take(s, target), take(s, source)
        s_bar = torch.zeros_like(s).index_add(0, target, grad * w * s_source)
        s_bar = s_bar.index_add(0, source, grad * w * s_target)  # (2)
        d_bar = -0.5 * s**3 * s_bar  # (3)
        w_bar = grad * s_target * s_source + take(d_bar, target)  # (4)
        w_bar = torch.cat([torch.zeros_like(weight), weight.new_zeros(1)]).index_add(0, entry, w_bar)
        return w_bar[:-1], None, None, None, None


def gathered(weight: Tensor, entry: Tensor, target: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """The weight of each non-zero and s = d^(-1/2) of each node."""
    w = take(torch.cat([weight, weight.new_ones(1)]), entry)
    d = w.new_zeros(num_nodes).index_add(0, target, w)
    zero = d == 0
    return w, d.masked_fill(zero, 1).pow(-0.5).masked_fill(zero, 0)


def gcn_adjacency(
    edge_index: Tensor,
    num_nodes: int,
    edge_weight: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> SparseMatrix:
    """Â of a graph, page 1, differentiable by edge_weight; made once, it serves every layer and epoch.

    dtype is for edges without weights, torch's default if None; half precision is kept as float32.
    """
    check_edges(edge_index, num_nodes)
    source, target = edge_index
    if edge_weight is None:
        edge_weight = torch.ones(source.shape[0], dtype=dtype, device=source.device)
    edge_weight = at_least_single(edge_weight)
    if edge_weight.shape != source.shape:
        raise ValueError(f"{source.shape[0]} edges, but weights of shape {tuple(edge_weight.shape)}")

    count, device = source.shape[0], source.device
    position, node = torch.arange(count, device=device), torch.arange(num_nodes, device=device)
    edge, loop = (source != target).nonzero()[:, 0], (source == target).nonzero()[:, 0]
    loop = torch.full_like(node, -1).scatter_reduce(0, target[loop], position[loop], "amax")  # the last listed
    entry = torch.cat([edge, torch.where(loop < 0, count, loop)])
    source, target = (torch.cat([take(end, edge), node]).int() for end in edge_index)

    order = row_by_row(target, source)
    entry, source, target = take(entry, order), take(source, order), take(target, order)
    value = NormaliseFn.apply(edge_weight, entry, target, source, num_nodes)
    return with_transpose(value, target, source, (num_nodes, num_nodes))


def row_by_row(row: Tensor, col: Tensor) -> Tensor:
    """The order that sorts non-zeros by row, and by column within each row."""
    order = torch.sort(col, stable=True).indices
    return take(order, torch.sort(take(row, order), stable=True).indices)


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


def sparse(input: Tensor) -> SparseMatrix:
    """The sparse form of a dense matrix, for features that are mostly zero; a constant to differentiation."""
    row, col = input.detach().nonzero(as_tuple=True)
    return with_transpose(at_least_single(input.detach()[row, col]), row.int(), col.int(), input.shape)


def sparse_dropout(input: SparseMatrix, p: float = 0.5, training: bool = True) -> SparseMatrix:
    """Dropout of the non-zeros alone: the zeros stay zero anyway."""
    value = dropout(input.value, p, training)
    return input._replace(value=value, value_t=take(value, by_column(input.col)))


def rgcn_adjacency(
    edge_index: Tensor,
    edge_type: Tensor,
    num_nodes: int,
    num_relations: int,
    dtype: torch.dtype | None = None,
) -> SparseMatrix:
    """(n, n R): an edge j -> i of kind r stands at row i and column j R + r, with 1/|N_r(i)|. No loops."""
    check_edges(edge_index, num_nodes)
    source, target = edge_index
    if edge_type.shape != source.shape:
        raise ValueError(f"{source.shape[0]} edges, but kinds of shape {tuple(edge_type.shape)}")
    if at_hand(edge_type) and edge_type.numel() and (edge_type.min() < 0 or edge_type.max() >= num_relations):
        raise ValueError(f"edge kinds must be 0 to {num_relations - 1}")
    row, col = target.int(), (source * num_relations + edge_type).int()
    kind = target * num_relations + edge_type
    arriving = at_least_single(torch.zeros(num_nodes * num_relations, dtype=dtype, device=row.device))
    value = 1 / take(arriving.index_add(0, kind, arriving.new_ones(kind.shape)), kind)
    order = row_by_row(row, col)
    size = num_nodes, num_nodes * num_relations
    return with_transpose(take(value, order), take(row, order), take(col, order), size)


def laid_out() -> bool:
    """Whether to lay the rows of the edges out: torch.compile and torch.func refuse sparse matrices."""
    return not values_known()


def rows_of(crow: Tensor, col: Tensor) -> Tensor:
    return torch.searchsorted(crow, torch.arange(col.shape[0], device=col.device), right=True) - 1


def as_csr(value: Tensor, crow: Tensor, col: Tensor, columns: int) -> Tensor:
    return torch.sparse_csr_tensor(crow, col, value, (crow.shape[0] - 1, columns), check_invariants=False)


class PropagateFn(Function):
    """Y = Â X + b: page 2."""

    @staticmethod
    def forward(x, bias, value, crow, col, value_t, crow_t, col_t):
        if laid_out():
            y = x.new_zeros(crow.shape[0] - 1, x.shape[1])
            y = y.index_add(0, rows_of(crow, col), value.unsqueeze(1) * x[col])
            return y if bias is None else y + bias
        matrix = as_csr(value, crow, col, x.shape[0])
        if bias is None:  # matrix @ x would fill the result with zeros first
            return torch.addmm(x.new_zeros(1), matrix, x, beta=0)
        return torch.addmm(bias, matrix, x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, _, *adjacency = inputs
        ctx.save_for_backward(x if ctx.needs_input_grad[2] else None, *adjacency)

    @staticmethod
    def backward(ctx, grad):
        x, *parts = ctx.saved_tensors
        needs_x, needs_bias, needs_value, *_ = ctx.needs_input_grad
        adjacency = SparseMatrix(*parts)
        grad_x = propagate(grad, adjacency.t()) if needs_x else None  # (6)
        grad_bias = grad.sum(0) if needs_bias else None  # (8)
        grad_value = edge_products(grad, x, adjacency) if needs_value else None  # (7)
        return grad_x, grad_bias, grad_value, None, None, None, None, None


class EdgeProductsFn(Function):
    """z_e = ⟨a_i, b_j⟩ for the non-zeros of a matrix: page 3."""

    @staticmethod
    def forward(a, b, crow, col, crow_t, col_t):
        if laid_out():
            return (a[rows_of(crow, col)] * b[col]).sum(-1)
        pattern = as_csr(a.new_zeros(col.shape), crow, col, b.shape[0])
        return torch.sparse.sampled_addmm(pattern, a, b.t()).values()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        a, b, crow, col, crow_t, col_t = ctx.saved_tensors
        z = SparseMatrix(grad, crow, col, take(grad, by_column(col)), crow_t, col_t)
        grad_a = propagate(b, z) if ctx.needs_input_grad[0] else None
        grad_b = propagate(a, z.t()) if ctx.needs_input_grad[1] else None  # (10)
        return grad_a, grad_b, None, None, None, None


def edge_products(a: Tensor, b: Tensor, adjacency: SparseMatrix) -> Tensor:
    """z_e = ⟨a_i, b_j⟩ with a (I, F), b (J, F), for each non-zero of a matrix (I, J). Page 3."""
    return EdgeProductsFn.apply(a, b, adjacency.crow, adjacency.col, adjacency.crow_t, adjacency.col_t)


def propagate(input: Tensor, adjacency: SparseMatrix, bias: Tensor | None = None) -> Tensor:
    """Y = Â X + b with X (J, F), Â (I, J), b (F,): each node's sum over the edges that arrive at it. Page 2.

    Half precision is multiplied and summed in float32, also under autocast, and rounded once at the end.
    """
    with without_autocast(input):
        if bias is not None:
            bias = at_least_single(bias)
        return PropagateFn.apply(at_least_single(input), bias, *adjacency).to(input.dtype)


def at_least_single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def project(input: Tensor | SparseMatrix, weight: Tensor) -> Tensor:
    """X Wᵀ, where X may be sparse."""
    return propagate(weight.t(), input) if isinstance(input, SparseMatrix) else linear(input, weight)


def gcn_conv(
    input: Tensor | SparseMatrix, adjacency: SparseMatrix, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Y = Â X Wᵀ + b with X (n, I), W (O, I): whichever product makes the rows shorter goes first."""
    out_features, in_features = weight.shape
    if isinstance(input, SparseMatrix) or out_features < in_features:
        return propagate(project(input, weight), adjacency, bias)
    return linear(propagate(input, adjacency), weight, bias)


def rgcn_conv(
    input: Tensor | SparseMatrix,
    adjacency: SparseMatrix,
    weight: Tensor,
    root: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """y_i = W_0 x_i + Σ_r mean_{j in N_r(i)} W_r x_j + b with X (n, I), W (R, O, I), W_0 the root (O, I)."""
    seen = project(input, weight.flatten(0, 1)).view(-1, weight.shape[1])  # row j R + r is W_r x_j
    output = propagate(seen, adjacency, bias)
    return output if root is None else output + project(input, root)


class MaxReadoutFn(Function):
    """The largest value of each feature over the nodes of each graph: page 4."""

    @staticmethod
    def forward(x, batch, num_graphs):
        index = batch.unsqueeze(1).expand_as(x)
        return x.new_zeros(num_graphs, x.shape[1]).scatter_reduce(0, index, x, "amax", include_self=False)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, batch, ctx.num_graphs = inputs
        ctx.save_for_backward(x, batch)

    @staticmethod
    def backward(ctx, grad):
        x, batch = ctx.saved_tensors
        y = MaxReadoutFn.forward(x.detach(), batch, ctx.num_graphs)
        maximal = (x == take(y, batch)).to(x.dtype)
        ties = torch.zeros_like(y).index_add(0, batch, maximal).clamp(min=1)
        return maximal * take(grad / ties, batch), None, None  # (12)


def readout(input: Tensor, batch: Tensor, num_graphs: int | None = None, reduce: str = "mean") -> Tensor:
    """One row for each graph of a batch from its nodes' rows: x (N, F), batch (N,), result (B, F). Page 4."""
    if batch.shape != input.shape[:1]:
        raise ValueError(f"{input.shape[0]} nodes, but batch has the shape {tuple(batch.shape)}")
    if num_graphs is None:
        num_graphs = int(batch.max()) + 1 if batch.numel() else 0
    if reduce not in ("mean", "sum", "max"):
        raise ValueError(f"reduce must be 'mean', 'sum' or 'max', got {reduce!r}")
    if reduce == "max":
        return MaxReadoutFn.apply(input, batch, num_graphs)
    graph, node = torch.sort(batch.int(), stable=True)
    value = torch.ones(graph.shape, dtype=at_least_single(input).dtype, device=input.device)
    if reduce == "mean":
        value = value / take(value.new_zeros(num_graphs).index_add(0, graph, value), graph)
    return propagate(input, with_transpose(value, graph, node.int(), (num_graphs, input.shape[0])))
