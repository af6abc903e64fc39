"""Sampled neighbourhoods: train on graphs that do not fit, by looking at a few neighbours of a few nodes at a time.

Source: Hamilton, Ying and Leskovec, Inductive representation learning on large graphs (2017).
"""

import torch
from torch import Tensor


class Neighbours:
    """The edges of a graph sorted by target, ready to be sampled: `around` costs what it looks at, not the graph."""

    def __init__(self, edges: Tensor, num_nodes: int) -> None:
        target, self.order = torch.sort(edges[1], stable=True)
        self.source = edges[0, self.order]
        self.begin = torch.searchsorted(target, torch.arange(num_nodes + 1))
        self.num_nodes = num_nodes

    def into(self, nodes: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """At most `most` random edges into each node, without repetition: their places here, and which node each enters
        (a position in `nodes`)."""
        degree = self.begin[nodes + 1] - self.begin[nodes]
        owner = torch.repeat_interleave(torch.arange(len(nodes)), degree)
        first = degree.cumsum(0) - degree  # of each node's candidates among all
        place = torch.arange(len(owner)) - first[owner] + self.begin[nodes][owner]
        shuffled = (owner + torch.rand(len(owner), dtype=torch.float64)).argsort()  # at random, node by node
        kept = shuffled[torch.arange(len(owner)) - first[owner] < most]
        return place[kept], owner[kept]

    def around(self, nodes: Tensor, most: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """The sampled surroundings of distinct `nodes`, a ring for each number in `most`.

        Gives the nodes of the sample, `nodes` first; its edges (2, E) in their numbering; and which of the graph's
        edges these are. Draws from torch's global random numbers.
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
