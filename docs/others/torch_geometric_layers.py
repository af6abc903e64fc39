"""The layers of torch_geometric under torch.nn's names, and those that torch has not."""

from functools import partial
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch_geometric import utils
from torch_geometric.nn import BatchNorm as BatchNorm1d  # noqa: F401
from torch_geometric.nn import (  # noqa: F401
    DenseGCNConv,
    DenseGraphConv,
    DenseSAGEConv,
    GATConv,
    GCNConv,
    GraphConv,
    GraphNorm,
    Linear,
    MeanSubtractionNorm,
    MessageNorm,
    PairNorm,
    SAGEConv,
)
from torch_geometric.nn import LayerNorm as GraphLayerNorm

from scratch.testing import case, given, normal, uniform

LayerNorm = partial(GraphLayerNorm, mode="node")
functional = SimpleNamespace(segment_softmax=utils.softmax)
NODES, EDGES = normal(6, 4), given([[0, 1, 2, 2, 3, 4], [1, 0, 3, 4, 2, 5]])
GROUPS = given([0, 0, 1, 1, 1, 2])
ADJACENCY = given([[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])


class OverAll(nn.Module):
    """One mean and one deviation for a whole graph."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean()
        return x / (x.pow(2).mean().sqrt() + 1e-5) * self.weight + self.bias


class Convolution(nn.Module):
    """D^(−1/2) (A + I) D^(−1/2) X Wᵀ + b, all dense."""

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(out, size)), nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        A = torch.eye(len(x), dtype=x.dtype).index_put((edges[1], edges[0]), x.new_ones(()), accumulate=True)
        d = A.sum(1) ** -0.5
        return (d[:, None] * A * d) @ x @ self.weight.T + self.bias


def softmax_of_groups(x: Tensor, index: Tensor) -> Tensor:
    return torch.stack([x[i].exp() / x[index == index[i]].exp().sum(0) for i in range(len(x))])


CASES = [
    case("GraphLayerNorm", 4, inputs=[NODES]).but(reference=OverAll),
    case("GCNConv", 4, 3, inputs=[NODES, EDGES]).but(reference=Convolution),
    case("GCNConv", 4, 3, inputs=[NODES, EDGES, uniform(6, low=0.5)]),
    case("SAGEConv", 4, 3, inputs=[NODES, EDGES]),
    case("GraphConv", 4, 3, inputs=[NODES, EDGES]),
    case("GATConv", 4, 3, inputs=[NODES, EDGES]),
    case("DenseGCNConv", 4, 3, inputs=[normal(1, 3, 4), ADJACENCY]).but(constant=(1,)),
    case("DenseSAGEConv", 4, 3, inputs=[normal(1, 3, 4), ADJACENCY]).but(constant=(1,)),
    case("DenseGraphConv", 4, 3, inputs=[normal(1, 3, 4), ADJACENCY]).but(constant=(1,)),
    case("GraphNorm", 4, inputs=[NODES, GROUPS]),
    case("GraphLayerNorm", 4, inputs=[NODES, GROUPS]),
    case("PairNorm", inputs=[NODES, GROUPS]),
    case("MeanSubtractionNorm", inputs=[NODES, GROUPS]),
    case("MessageNorm", True, inputs=[NODES, normal(6, 4)]),
    case("functional.segment_softmax", inputs=[NODES, GROUPS]).but(reference=softmax_of_groups),
]
