"""Generated graphs: small ones of four families, to be classified; and one whose edges are of several kinds."""

from typing import Any, NamedTuple

import networkx
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.functional import one_hot

from zoo.core.errors import UsageError, between, whole
from zoo.data.karate import undirected
from zoo.data.loader import Loader, Tensors
from zoo.data.nodes import Graph, NodeData, check_edges


class Graphs(NamedTuple):
    """Several graphs as one graph, without edges between them."""

    features: Tensor  # (N, F) of all nodes
    edges: Tensor  # (2, E) in the numbering of all nodes
    batch: Tensor  # (N,) the graph of each node
    size: int  # how many graphs


class GeneratedGraphs(LightningDataModule):
    """Graphs of four families, to be told apart: batches (`Graphs`, class numbers (B,)).

    Uniform random graphs (Erdős and Rényi), hubs (Barabási and Albert), small worlds (Watts and Strogatz) and trees,
    each with 20 to 60 nodes; all but the trees with about four edges a node. A node's features are its degree, one-hot.

    Args:
        graphs: the number of graphs, as many of each family; 60 % to train, 20 % to validate, 20 % to test.
        batch_size: graphs a step.
        seed: of the order of the training graphs. The graphs themselves are the same for every seed.
    """

    classes = ("uniform", "hubs", "small world", "tree")
    degrees = 12  # the largest degree; higher ones count as this

    def __init__(self, graphs: int = 400, batch_size: int = 32, seed: int = 0) -> None:
        super().__init__()
        whole("data.graphs", graphs, 20)
        whole("data.batch_size", batch_size, 1)
        self.count, self.batch_size, self.seed = graphs, batch_size, seed
        self.graphs: list[tuple[int, Tensor]] = []

    @property
    def facts(self) -> dict[str, int]:
        return {"in_features": self.degrees + 1, "num_classes": len(self.classes)}

    def load(self) -> list[tuple[int, Tensor]]:
        """(number of nodes, edges (2, E)) of each graph; graph i is of class i mod 4."""
        generator = torch.Generator().manual_seed(0)
        graphs = []
        for i in range(self.count):
            nodes = int(torch.randint(20, 61, (), generator=generator))
            make = (
                lambda n, s: networkx.gnm_random_graph(n, 2 * n, seed=s),
                lambda n, s: networkx.barabasi_albert_graph(n, 2, seed=s),
                lambda n, s: networkx.watts_strogatz_graph(n, 4, 0.1, seed=s),
                lambda n, s: networkx.random_labeled_tree(n, seed=s),
            )[i % 4]
            graphs.append((nodes, undirected(make(nodes, i))))
        return graphs

    def setup(self, stage: str | None = None) -> None:
        if self.graphs:
            return
        graphs = self.load()
        for i, (nodes, edges) in enumerate(graphs):
            check_edges(f"data={type(self).__name__}, graph {i}", edges, nodes)
        self.graphs = graphs

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        chosen, labels = batch
        sizes, edges = zip(*(self.graphs[i] for i in chosen.tolist()), strict=True)
        nodes = torch.tensor(sizes)
        first = (nodes.cumsum(0) - nodes).tolist()
        joined = torch.cat([edge + start for edge, start in zip(edges, first, strict=True)], 1)
        degree = torch.bincount(joined[1], minlength=sum(sizes)).clamp(max=self.degrees)
        features = one_hot(degree, self.degrees + 1).to(torch.get_default_dtype())
        member = torch.repeat_interleave(torch.arange(len(sizes)), nodes)
        device = labels.device
        return Graphs(features.to(device), joined.to(device), member.to(device), len(sizes)), labels

    def _loader(self, split: str) -> Loader:
        numbers = torch.arange(len(self.graphs))
        # of five graphs of a class: three to train, one to validate, one to test
        turn = (numbers // len(self.classes)) % 5
        chosen = numbers[{"train": turn < 3, "val": turn == 3, "test": turn == 4}[split]]
        if not len(chosen):
            raise UsageError(f"data.graphs={self.count}: too few for a {split} split")
        dataset = Tensors(chosen, chosen % len(self.classes))
        return Loader(dataset, self.batch_size, shuffle=split == "train", seed=self.seed)

    def train_dataloader(self) -> Loader:
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")


class GeneratedRelations(NodeData):
    """One graph in which only the kinds of edges are informative: an edge of kind r goes from class c to class c + r.

    The features are the one-hot class with noise of deviation `noise`. The average over all neighbours does not depend
    on the class; with a weight for each kind of edge, the neighbours' features are mapped to the node's own class.
    """

    classes = ("0", "1", "2")
    num_relations = 3

    def __init__(self, nodes: int = 600, noise: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        whole("data.nodes", nodes, 30)
        between("data.noise", noise, 0, float("inf"))
        self.nodes, self.noise = nodes, noise

    def load(self) -> Graph:
        generator = torch.Generator().manual_seed(0)
        count, each = len(self.classes), 10  # edges into a node
        labels = torch.arange(self.nodes) % count
        target = torch.arange(self.nodes).repeat_interleave(each)
        source = torch.randint(self.nodes // count, target.shape, generator=generator) * count
        source = source + torch.randint(count, target.shape, generator=generator)
        kinds = (labels[target] - labels[source]) % count
        features = one_hot(labels, count) + self.noise * torch.randn(self.nodes, count, generator=generator)
        turn = (torch.arange(self.nodes) // count) % 5
        splits = {"train": turn < 3, "val": turn == 3, "test": turn == 4}
        return Graph(features, torch.stack([source, target]), labels, splits, kinds)
