"""Graph convolutions on PyTorch's own sparse matrices: the reference of scratch/nn/graph.py."""

import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module, Parameter, init
from torch.nn.functional import dropout, leaky_relu, linear

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


def check_edges(edge_index: Tensor, num_nodes: int) -> None:
    """Raise ValueError for edges that are not integers (2, E) or name a missing node."""
    if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.is_floating_point():
        raise ValueError(
            f"edge_index must be integers of shape (2, E), got {edge_index.dtype} {tuple(edge_index.shape)}"
        )
    missing = ((edge_index < 0) | (edge_index >= num_nodes)).any(0)
    if not torch.compiler.is_exporting() and missing.any():
        source, target = edge_index[:, missing.nonzero()[0, 0]].tolist()
        raise ValueError(f"edge {source} -> {target} names a missing node: there are nodes 0 to {num_nodes - 1}")


def at_least_single(x: Tensor) -> Tensor:
    """The tensor, in float32 where it is in half precision."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class Edges(NamedTuple):
    """A sparse matrix as dense tensors, for torch.export, which has no sparse tensors."""

    row: Tensor
    col: Tensor
    value: Tensor
    rows: int


def csr(row: Tensor, col: Tensor, value: Tensor, size: tuple[int, int]) -> Any:
    """A sparse CSR matrix; values at the same place are added."""
    if torch.compiler.is_exporting():
        return Edges(row, col, value, size[0])
    return torch.sparse_coo_tensor(torch.stack([row, col]), value, size, check_invariants=False).to_sparse_csr()


def propagate(input: Tensor, adjacency: Any) -> Tensor:
    """The sparse product Â X, computed in float32 where X is in half precision."""
    if isinstance(adjacency, Edges):
        row, col, value, rows = adjacency
        y = value.new_zeros(rows, input.shape[1])
        return y.index_add(0, row, value[:, None] * at_least_single(input)[col]).to(input.dtype)
    with torch.autocast(input.device.type, enabled=False):
        if input.device.type == "cpu":  # this product has the faster backward, but runs on the CPU only
            return torch.sparse.mm(adjacency, at_least_single(input), "sum").to(input.dtype)
        return torch.sparse.mm(adjacency, at_least_single(input)).to(input.dtype)


def project(input: Tensor, weight: Tensor) -> Tensor:
    """X Wᵀ, where X may be sparse."""
    return linear(input, weight) if input.layout is torch.strided else propagate(weight.t(), input)


class GCNConv(Module):
    """Y = D^(-1/2) (A + I) D^(-1/2) X Wᵀ + b (Kipf and Welling 2017), edges as in scratch/ops/graph.py."""

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

    @staticmethod
    def adjacency(
        edge_index: Tensor,
        num_nodes: int,
        edge_weight: Tensor | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        check_edges(edge_index, num_nodes)
        source, target = edge_index
        if edge_weight is None:
            edge_weight = torch.ones(source.shape[0], dtype=dtype, device=source.device)
        edge_weight = at_least_single(edge_weight)
        if edge_weight.shape != source.shape:
            raise ValueError(f"{source.shape[0]} edges, but weights of shape {tuple(edge_weight.shape)}")
        edge, loop = (source != target).nonzero()[:, 0], (source == target).nonzero()[:, 0]
        node = torch.arange(num_nodes, device=source.device)
        last = torch.full_like(node, -1).scatter_reduce(0, target[loop], loop, "amax")
        loops = torch.cat([edge_weight, edge_weight.new_ones(1)])[last]
        weight = torch.cat([edge_weight.index_select(0, edge), loops])
        source, target = (torch.cat([end.index_select(0, edge), node]) for end in edge_index)
        s = weight.new_zeros(num_nodes).index_add(0, target, weight).pow(-0.5)
        s = s.masked_fill(s == math.inf, 0)
        value = s.index_select(0, target) * weight * s.index_select(0, source)
        return csr(target, source, value, (num_nodes, num_nodes))

    def forward(self, input: Tensor, graph: Any, edge_weight: Tensor | None = None) -> Tensor:
        if isinstance(graph, Tensor) and graph.layout is torch.strided:
            graph = self.adjacency(graph, input.shape[0], edge_weight, input.dtype)
        if input.layout is not torch.strided or self.out_features < self.in_features:
            output = propagate(project(input, self.weight), graph)
            return output if self.bias is None else output + self.bias.to(output.dtype)
        return linear(propagate(input, graph), self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class RGCNConv(Module):
    """y_i = W_0 x_i + Σ_r mean_{j in N_r(i)} W_r x_j + b (Schlichtkrull et al. 2018)."""

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
                bound = math.sqrt(6 / (weight.shape[-2] + weight.shape[-1]))
                init.uniform_(weight, -bound, bound)
        if self.bias is not None:
            init.zeros_(self.bias)

    @staticmethod
    def adjacency(
        edge_index: Tensor,
        edge_type: Tensor,
        num_nodes: int,
        num_relations: int,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        check_edges(edge_index, num_nodes)
        source, target = edge_index
        if edge_type.shape != source.shape:
            raise ValueError(f"{source.shape[0]} edges, but kinds of shape {tuple(edge_type.shape)}")
        if (
            not torch.compiler.is_exporting()
            and edge_type.numel()
            and (edge_type.min() < 0 or edge_type.max() >= num_relations)
        ):
            raise ValueError(f"edge kinds must be 0 to {num_relations - 1}")
        kind = target * num_relations + edge_type
        count = torch.bincount(kind, minlength=num_nodes * num_relations)
        value = at_least_single(torch.ones(source.shape[0], dtype=dtype, device=source.device)) / count[kind]
        return csr(target, source * num_relations + edge_type, value, (num_nodes, num_nodes * num_relations))

    def forward(self, input: Tensor, graph: Any, edge_type: Tensor | None = None) -> Tensor:
        if isinstance(graph, Tensor) and graph.layout is torch.strided:
            if edge_type is None:
                raise ValueError("RGCNConv needs edge_type next to edge_index")
            graph = self.adjacency(graph, edge_type, input.shape[0], self.num_relations, input.dtype)
        weight: Tensor = self.weight
        if self.comp is not None:
            weight = torch.einsum("rb,boi->roi", self.comp, weight)
        seen = project(input, weight.flatten(0, 1)).view(-1, self.out_features)  # row j R + r is W_r x_j
        output = propagate(seen, graph)
        if self.root is not None:
            output = output + project(input, self.root)
        return output if self.bias is None else output + self.bias.to(output.dtype)

    def extra_repr(self) -> str:
        bases = "" if self.num_bases is None else f", num_bases={self.num_bases}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"num_relations={self.num_relations}{bases}, "
            f"root_weight={self.root is not None}, bias={self.bias is not None}"
        )


class Loops(NamedTuple):
    """The edges of a graph, with one loop at each node: from source (E,) to target (E,)."""

    source: Tensor
    target: Tensor


class GATConv(Module):
    """y_i = Σ_{e: j->i} α_e W x_j + b, α a softmax over the edges into i (Veličković et al. 2018)."""

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
        check_edges(edge_index, num_nodes)
        others = edge_index[:, edge_index[0] != edge_index[1]]
        node = torch.arange(num_nodes, device=edge_index.device)
        return Loops(*(torch.cat([end, node]) for end in others))

    def forward(self, input: Tensor, graph: Any) -> Tensor:
        if not isinstance(graph, Loops):
            graph = self.adjacency(graph, input.shape[0])
        z = project(input, self.weight)
        with torch.autocast(input.device.type, enabled=False):
            return self._attend(at_least_single(z).unflatten(1, self.source_weight.shape), *graph).to(z.dtype)

    def _attend(self, z: Tensor, source: Tensor, target: Tensor) -> Tensor:
        score = (z * self.source_weight).sum(-1)[source] + (z * self.target_weight).sum(-1)[target]
        score = leaky_relu(score, self.negative_slope)
        place = target[:, None].expand_as(score)
        largest = score.new_full(z.shape[:2], -math.inf).scatter_reduce(0, place, score.detach(), "amax")
        power = (score - largest[target]).exp()
        alpha = power / power.new_zeros(z.shape[:2]).index_add(0, target, power)[target]
        alpha = dropout(alpha, self.dropout, self.training)
        output = torch.zeros_like(z).index_add(0, target, alpha[..., None] * z[source])
        output = output.flatten(1) if self.concat else output.mean(1)
        return output if self.bias is None else output + self.bias

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, heads={self.heads}, "
            f"concat={self.concat}, negative_slope={self.negative_slope}, dropout={self.dropout}, "
            f"bias={self.bias is not None}"
        )


class SAGEConv(Module):
    """y_i = W_0 x_i + W mean_{j in N(i)} x_j + b (Hamilton et al. 2017)."""

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

    @staticmethod
    def adjacency(edge_index: Tensor, num_nodes: int, dtype: torch.dtype | None = None) -> Tensor:
        return RGCNConv.adjacency(edge_index, torch.zeros_like(edge_index[0]), num_nodes, 1, dtype)

    def forward(self, input: Tensor, graph: Any) -> Tensor:
        if isinstance(graph, Tensor) and graph.layout is torch.strided:
            graph = self.adjacency(graph, input.shape[0], input.dtype)
        output = propagate(project(input, self.weight), graph) + project(input, self.root)
        return output if self.bias is None else output + self.bias.to(output.dtype)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class SparseDropout(Module):
    """Dropout of a sparse matrix of features. ``SparseDropout.sparse`` makes one of a dense matrix."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    @staticmethod
    def sparse(input: Tensor) -> Tensor:
        return at_least_single(input.detach()).to_sparse_csr()

    def forward(self, input: Tensor) -> Tensor:
        value = dropout(input.values(), self.p, self.training)
        crow, col = input.crow_indices(), input.col_indices()
        return torch.sparse_csr_tensor(crow, col, value, input.shape, check_invariants=False)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Readout(Module):
    """The mean, sum or maximum of the nodes of each graph: (N, F) and batch (N,) give (num_graphs, F)."""

    def __init__(self, reduce: str = "mean") -> None:
        super().__init__()
        if reduce not in ("mean", "sum", "max"):
            raise ValueError(f"reduce must be 'mean', 'sum' or 'max', got {reduce!r}")
        self.reduce = reduce

    def forward(self, input: Tensor, batch: Tensor, num_graphs: int | None = None) -> Tensor:
        if batch.shape != input.shape[:1]:
            raise ValueError(f"{input.shape[0]} nodes, but batch has the shape {tuple(batch.shape)}")
        if num_graphs is None:
            num_graphs = int(batch.max()) + 1 if batch.numel() else 0
        if self.reduce == "max":
            # from -inf, because autograd counts an equal initial value among the tied maxima
            lowest = input.new_full((num_graphs, input.shape[1]), -math.inf)
            output = lowest.scatter_reduce(0, batch.unsqueeze(1).expand_as(input), input, "amax")
            return output.masked_fill(output == -math.inf, 0)
        weight = torch.ones(batch.shape, dtype=at_least_single(input).dtype, device=batch.device)
        if self.reduce == "mean":
            weight = weight / torch.bincount(batch)[batch]
        node = torch.arange(len(batch), device=batch.device)
        return propagate(input, csr(batch, node, weight, (num_graphs, len(batch))))

    def extra_repr(self) -> str:
        return f"{self.reduce!r}"
