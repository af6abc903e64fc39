"""Graph convolutions as functions: what is refused, and how a graph becomes a matrix; the mathematics is in
scratch/ops/graph.py and scratch/ops/graph_attention.py."""

from typing import NamedTuple

import torch
from torch import Tensor

from scratch.nn.functional.dropout import dropout
from scratch.ops import graph
from scratch.ops.activation.rectifier import leaky_relu
from scratch.ops.core.dtype import widen, without_autocast
from scratch.ops.core.function import at_hand
from scratch.ops.graph import SparseMatrix, by_column, max_readout, normalise, take, with_transpose
from scratch.ops.graph_attention import attend, edge_scores, edge_softmax
from scratch.ops.linear import linear


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


def gcn_adjacency(
    edge_index: Tensor,
    num_nodes: int,
    edge_weight: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> SparseMatrix:
    """Â of a graph, differentiable by edge_weight; made once, it serves every layer and epoch.

    dtype is for edges without weights, torch's default if None; half precision is kept as float32.
    """
    check_edges(edge_index, num_nodes)
    source, target = edge_index
    if edge_weight is None:
        edge_weight = torch.ones(source.shape[0], dtype=dtype, device=source.device)
    edge_weight = widen(edge_weight)
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
    value = normalise(edge_weight, entry, target, source, num_nodes)
    return with_transpose(value, target, source, (num_nodes, num_nodes))


def row_by_row(row: Tensor, col: Tensor) -> Tensor:
    """The order that sorts non-zeros by row, and by column within each row."""
    order = torch.sort(col, stable=True).indices
    return take(order, torch.sort(take(row, order), stable=True).indices)


def sparse(input: Tensor) -> SparseMatrix:
    """The sparse form of a dense matrix, for features that are mostly zero; a constant to differentiation."""
    row, col = input.detach().nonzero(as_tuple=True)
    return with_transpose(widen(input.detach()[row, col]), row.int(), col.int(), input.shape)


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
    arriving = widen(torch.zeros(num_nodes * num_relations, dtype=dtype, device=row.device))
    value = 1 / take(arriving.index_add(0, kind, arriving.new_ones(kind.shape)), kind)
    order = row_by_row(row, col)
    size = num_nodes, num_nodes * num_relations
    return with_transpose(take(value, order), take(row, order), take(col, order), size)


def propagate(input: Tensor, adjacency: SparseMatrix, bias: Tensor | None = None) -> Tensor:
    """Y = Â X + b with X (J, F), Â (I, J), b (F,): each node's sum over the edges that arrive at it.

    Half precision is multiplied and summed in float32, also under autocast, and rounded once at the end.
    """
    with without_autocast(input):
        if bias is not None:
            bias = widen(bias)
        return graph.propagate(widen(input), adjacency, bias).to(input.dtype)


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


class Loops(NamedTuple):
    """The edges of a graph, with one loop at each node: from source (E,) to target (E,)."""

    source: Tensor
    target: Tensor


def with_loops(edge_index: Tensor, num_nodes: int) -> Loops:
    """The edges but for loops, then a loop for each node; made once, they serve every layer and epoch."""
    check_edges(edge_index, num_nodes)
    others = edge_index[:, edge_index[0] != edge_index[1]]
    node = torch.arange(num_nodes, device=edge_index.device)
    return Loops(*(torch.cat([end, node]) for end in others))


def gat_conv(
    input: Tensor | SparseMatrix,
    edges: Loops,
    weight: Tensor,
    source_weight: Tensor,
    target_weight: Tensor,
    bias: Tensor | None = None,
    concat: bool = True,
    negative_slope: float = 0.2,
    dropout_p: float = 0.0,
    training: bool = True,
) -> Tensor:
    """y_i = Σ_{e: j->i} α_e z_j + b, z = X Wᵀ, α the softmax of LeakyReLU(⟨a, z_j⟩ + ⟨c, z_i⟩) over the edges into i.

    X (n, I), W (H F, I), a and c (H, F) the source's and the target's weight, y (n, H F), or without ``concat`` (n, F),
    the mean of the heads. In half precision the attention is computed in float32, also under autocast.
    """
    z = project(input, weight)
    with without_autocast(z):
        wide = widen(z).unflatten(1, source_weight.shape)
        e = edge_scores(wide, widen(source_weight), widen(target_weight), *edges)
        alpha = edge_softmax(leaky_relu(e, negative_slope), edges.target, len(wide))
        alpha = dropout(alpha, dropout_p, training)
        return attend(alpha, wide, None if bias is None else widen(bias), *edges, concat).to(z.dtype)


def sage_adjacency(edge_index: Tensor, num_nodes: int, dtype: torch.dtype | None = None) -> SparseMatrix:
    """(n, n): an edge j -> i stands at row i and column j, with 1/|N(i)|; the adjacency of a single relation."""
    return rgcn_adjacency(edge_index, torch.zeros_like(edge_index[0]), num_nodes, 1, dtype)


def sage_conv(
    input: Tensor | SparseMatrix,
    adjacency: SparseMatrix,
    weight: Tensor,
    root: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    """y_i = W_0 x_i + W mean_{j in N(i)} x_j + b with X (n, I), W and the root W_0 (O, I)."""
    return rgcn_conv(input, adjacency, weight[None], root, bias)


def readout(input: Tensor, batch: Tensor, num_graphs: int | None = None, reduce: str = "mean") -> Tensor:
    """One row for each graph of a batch from its nodes' rows: x (N, F), batch (N,), result (B, F)."""
    if batch.shape != input.shape[:1]:
        raise ValueError(f"{input.shape[0]} nodes, but batch has the shape {tuple(batch.shape)}")
    if num_graphs is None:
        num_graphs = int(batch.max()) + 1 if batch.numel() else 0
    if reduce not in ("mean", "sum", "max"):
        raise ValueError(f"reduce must be 'mean', 'sum' or 'max', got {reduce!r}")
    if reduce == "max":
        return max_readout(input, batch, num_graphs)
    graph, node = torch.sort(batch.int(), stable=True)
    value = torch.ones(graph.shape, dtype=widen(input).dtype, device=input.device)
    if reduce == "mean":
        value = value / take(value.new_zeros(num_graphs).index_add(0, graph, value), graph)
    return propagate(input, with_transpose(value, graph, node.int(), (num_graphs, input.shape[0])))
