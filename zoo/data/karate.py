"""Zachary's karate club: 34 members, who met whom outside the club, and the four groups that these ties fall into.

Source: Zachary, An information flow model for conflict and fission in small groups (1977), from networkx. The groups
are the partition of the largest modularity, 0.4198 (Brandes et al., On modularity clustering, 2008), which Kipf and
Welling take in the demonstration of their paper (2017, appendix A).
"""

import networkx
import torch
from torch import Tensor

from zoo.data.nodes import Graph, NodeData

GROUPS = [0, 0, 0, 0, 1, 1, 1, 0, 3, 3, 1, 0, 0, 0, 3, 3, 1, 0, 3, 0, 3, 0, 3, 2, 2, 2, 3, 2, 2, 3, 3, 2, 3, 3]


def undirected(graph: networkx.Graph) -> Tensor:
    """The edges (2, E) of a graph on the nodes 0 … n − 1, each in both directions."""
    edges = torch.tensor(list(graph.edges()), dtype=torch.long).reshape(-1, 2).t()
    return torch.cat([edges, edges.flip(0)], 1)


class Karate(NodeData):
    """One labelled node of each group to train, eight to validate, 22 to test; a node's only feature is its name.

    The splits are fixed: the label of the first member of each group, and every fourth of the others to validate.
    """

    classes = ("green", "red", "blue", "orange")

    def load(self) -> Graph:
        labels = torch.tensor(GROUPS)
        train = torch.zeros(34, dtype=torch.bool)
        train[[GROUPS.index(group) for group in range(4)]] = True
        others = (~train).nonzero()[:, 0]
        val = torch.zeros(34, dtype=torch.bool)
        val[others[::4]] = True
        edges = undirected(networkx.karate_club_graph())
        return Graph(torch.eye(34), edges, labels, {"train": train, "val": val, "test": ~(train | val)})
