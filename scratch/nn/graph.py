"""Graph convolutions and readouts: parameters and arguments; the mathematics is in scratch/ops/graph.py and
scratch/ops/graph_attention.py."""

import math

import torch
from torch import Tensor
from torch.nn import Parameter, init

from scratch.nn import functional as F
from scratch.nn.functional.graph import Loops
from scratch.nn.layer import Layer
from scratch.ops.core.dtype import autocast
from scratch.ops.graph import SparseMatrix
from scratch.ops.matmul import matmul


class GCNConv(Layer):
    """Y = D^(-1/2) (A + I) D^(-1/2) X Wᵀ + b, weight (out_features, in_features), bias (out_features,).

    Called with the nodes' features (n, in_features), dense or sparse (see `SparseDropout`), and either edge_index
    (2, E), from sources to targets, and perhaps weights (E,), or the matrix that ``GCNConv.adjacency`` makes of
    them, once for all layers and epochs. Initial weights uniform as Glorot and Bengio have them, bias 0.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.xavier_uniform_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    adjacency = staticmethod(F.gcn_adjacency)

    def forward(
        self, input: Tensor | SparseMatrix, graph: Tensor | SparseMatrix, edge_weight: Tensor | None = None
    ) -> Tensor:
        if isinstance(graph, Tensor):
            graph = self.adjacency(graph, input.shape[0], edge_weight, input.dtype)
        return F.gcn_conv(input, graph, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class RGCNConv(Layer):
    """y_i = W_0 x_i + Σ_r mean_{j in N_r(i)} W_r x_j + b for edges of num_relations kinds.

    weight (num_relations, out_features, in_features), root W_0 (out_features, in_features), bias
    (out_features,); with num_bases, W_r = Σ_b comp_rb weight_b, comp (num_relations, num_bases).
    Called with features (n, in_features) and either edge_index (2, E) and edge_type (E,), or the matrix that
    ``RGCNConv.adjacency`` made of them.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_relations: int,
        num_bases: int | None = None,
        root_weight: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.num_relations, self.num_bases = num_relations, num_bases

        def parameter(*shape: int) -> Parameter:
            return Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight = parameter(num_bases or num_relations, out_features, in_features)
        self.comp = parameter(num_relations, num_bases) if num_bases else None
        self.root = parameter(out_features, in_features) if root_weight else None
        self.bias = parameter(out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in (self.weight, self.comp, self.root):
            if weight is not None:
                bound = math.sqrt(6 / (weight.shape[-2] + weight.shape[-1]))  # Glorot's, for each matrix
                init.uniform_(weight, -bound, bound)
        if self.bias is not None:
            init.zeros_(self.bias)

    adjacency = staticmethod(F.rgcn_adjacency)

    def forward(
        self, input: Tensor | SparseMatrix, graph: Tensor | SparseMatrix, edge_type: Tensor | None = None
    ) -> Tensor:
        if isinstance(graph, Tensor):
            if edge_type is None:
                raise ValueError("RGCNConv needs edge_type next to edge_index")
            graph = self.adjacency(graph, edge_type, input.shape[0], self.num_relations, input.dtype)
        weight = self.weight
        if self.comp is not None:
            weight = matmul(*autocast(self.comp, weight.flatten(1))).unflatten(1, weight.shape[1:])
        return F.rgcn_conv(input, graph, weight, self.root, self.bias)

    def extra_repr(self) -> str:
        bases = "" if self.num_bases is None else f", num_bases={self.num_bases}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"num_relations={self.num_relations}{bases}, "
            f"root_weight={self.root is not None}, bias={self.bias is not None}"
        )


class GATConv(Layer):
    """y_i = Σ_{e: j->i} α_e W x_j + b: what each node takes from its neighbours and itself, in ``heads`` heads.

    α is the softmax of LeakyReLU(⟨source_weight, W x_j⟩ + ⟨target_weight, W x_i⟩) over the edges into i, with dropout.
    weight W (heads · out_features, in_features), source_weight and target_weight (heads, out_features); output
    (n, heads · out_features), or without ``concat`` (n, out_features), the mean of the heads; bias of its length.
    Called with features (n, in_features), dense or sparse, and either edge_index (2, E), whose loops are replaced by
    one at each node, or what ``GATConv.adjacency`` made of it. Initial weights as Glorot and Bengio have them, bias 0.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.heads, self.concat = in_features, out_features, heads, concat
        self.negative_slope, self.dropout = negative_slope, dropout

        def parameter(*shape: int) -> Parameter:
            return Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight = parameter(heads * out_features, in_features)
        self.source_weight, self.target_weight = parameter(heads, out_features), parameter(heads, out_features)
        self.bias = parameter(heads * out_features if concat else out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in (self.weight, self.source_weight, self.target_weight):
            init.xavier_uniform_(weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    @staticmethod
    def adjacency(edge_index: Tensor, num_nodes: int, dtype: torch.dtype | None = None) -> Loops:
        return F.with_loops(edge_index, num_nodes)

    def forward(self, input: Tensor | SparseMatrix, graph: Tensor | Loops) -> Tensor:
        if isinstance(graph, Tensor):
            graph = self.adjacency(graph, input.shape[0])
        return F.gat_conv(
            input, graph, self.weight, self.source_weight, self.target_weight, self.bias,
            self.concat, self.negative_slope, self.dropout, self.training,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, heads={self.heads}, "
            f"concat={self.concat}, negative_slope={self.negative_slope}, dropout={self.dropout}, "
            f"bias={self.bias is not None}"
        )


class SAGEConv(Layer):
    """y_i = W_0 x_i + W mean_{j in N(i)} x_j + b: each node, and apart from it the mean of its neighbours.

    weight W and root W_0 (out_features, in_features), bias (out_features,). Called with features (n, in_features),
    dense or sparse, and either edge_index (2, E), or the matrix that ``SAGEConv.adjacency`` made of it. A node without
    edges has 0 for the mean. Initial weights as Glorot and Bengio have them, bias 0.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.root = Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.xavier_uniform_(self.weight)
        init.xavier_uniform_(self.root)
        if self.bias is not None:
            init.zeros_(self.bias)

    adjacency = staticmethod(F.sage_adjacency)

    def forward(self, input: Tensor | SparseMatrix, graph: Tensor | SparseMatrix) -> Tensor:
        if isinstance(graph, Tensor):
            graph = self.adjacency(graph, input.shape[0], input.dtype)
        return F.sage_conv(input, graph, self.weight, self.root, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class SparseDropout(Layer):
    """Dropout of a sparse matrix of features, such as ``SparseDropout.sparse`` makes of a dense one."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    sparse = staticmethod(F.sparse)

    def forward(self, input: SparseMatrix) -> SparseMatrix:
        return F.sparse_dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Readout(Layer):
    """The mean, sum or maximum of the nodes of each graph: (N, F) and batch (N,) give (num_graphs, F)."""

    def __init__(self, reduce: str = "mean") -> None:
        super().__init__()
        if reduce not in ("mean", "sum", "max"):
            raise ValueError(f"reduce must be 'mean', 'sum' or 'max', got {reduce!r}")
        self.reduce = reduce

    def forward(self, input: Tensor, batch: Tensor, num_graphs: int | None = None) -> Tensor:
        return F.readout(input, batch, num_graphs, self.reduce)

    def extra_repr(self) -> str:
        return f"{self.reduce!r}"
