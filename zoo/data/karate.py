"""Zachary's karate club: 34 members, edges between those who met outside the club, and four groups as classes.

Source: Zachary, An information flow model for conflict and fission in small groups (1977), from networkx. The groups
are the partition with the largest modularity, 0.4198 (Brandes et al., On modularity clustering, 2008), as in the
demonstration of Kipf and Welling (2017, appendix A).
"""

import networkx
import torch
from torch import Tensor

from zoo.data.nodes import Graph, NodeData

GROUPS = [0, 0, 0, 0, 1, 1, 1, 0, 3, 3, 1, 0, 0, 0, 3, 3, 1, 0, 3, 0, 3, 0, 3, 2, 2, 2, 3, 2, 2, 3, 3, 2, 3, 3]


def undirected(graph: networkx.Graph) -> Tensor:
    """The edges (2, E) of a graph with the nodes 0 … n − 1, each in both directions."""
    edges = torch.tensor(list(graph.edges()), dtype=torch.long).reshape(-1, 2).t()
    return torch.cat([edges, edges.flip(0)], 1)


class Karate(NodeData):
    """One labelled node of each group to train, eight to validate, 22 to test. The features are the one-hot node.

    The splits are fixed: the first member of each group to train, and every fourth of the others to validate.
    """

    classes = ("blue", "orange", "green", "red")  # as they are drawn

    def load(self) -> Graph:
        labels = torch.tensor(GROUPS)
        train = torch.zeros(34, dtype=torch.bool)
        train[[GROUPS.index(group) for group in range(4)]] = True
        others = (~train).nonzero()[:, 0]
        val = torch.zeros(34, dtype=torch.bool)
        val[others[::4]] = True
        edges = undirected(networkx.karate_club_graph())
        return Graph(torch.eye(34), edges, labels, {"train": train, "val": val, "test": ~(train | val)})
