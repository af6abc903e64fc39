"""Sampled neighbourhoods: a step of training reads a few neighbours of a few nodes, for graphs that do not fit.

Source: Hamilton, Ying and Leskovec, Inductive representation learning on large graphs (2017).
"""

import torch
from torch import Tensor


class Neighbours:
    """The edges of a graph sorted by target, so that sampling costs as much as the sample, not as the graph."""

    def __init__(self, edges: Tensor, num_nodes: int) -> None:
        target, self.order = torch.sort(edges[1], stable=True)
        self.source = edges[0, self.order]
        self.begin = torch.searchsorted(target, torch.arange(num_nodes + 1))
        self.num_nodes = num_nodes

    def into(self, nodes: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """At most `most` random edges into each node, each edge once.

        Returns their places in the sorted order, and for each the position in `nodes` of the node that it enters.
        """
        degree = self.begin[nodes + 1] - self.begin[nodes]
        owner = torch.repeat_interleave(torch.arange(len(nodes)), degree)
        first = degree.cumsum(0) - degree  # of each node's candidates among all
        place = torch.arange(len(owner)) - first[owner] + self.begin[nodes][owner]
        shuffled = (owner + torch.rand(len(owner), dtype=torch.float64)).argsort()  # in random order within each node
        kept = shuffled[torch.arange(len(owner)) - first[owner] < most]
        return place[kept], owner[kept]

    def around(self, nodes: Tensor, most: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """A sample of the graph around distinct `nodes`: neighbours, their neighbours, a ring for each number in
        `most`.

        Returns the nodes of the sample, `nodes` first; its edges (2, E), numbered as these; and the numbers of these
        edges in the graph. Draws from torch's global random numbers.
        """
        ids, ring = nodes, nodes
        places, targets = [], []
        for count in most:
            place, owner = self.into(ring, count)
            places.append(place)
            targets.append(ring[owner])
            fresh = self.source[place].unique()
            ring = fresh[~torch.isin(fresh, ids)]
            ids = torch.cat([ids, ring])
        place, target = torch.cat(places), torch.cat(targets)
        by_id, position = ids.sort()
        edges = torch.stack([self.source[place], target])
        return ids, position[torch.searchsorted(by_id, edges)], self.order[place]
