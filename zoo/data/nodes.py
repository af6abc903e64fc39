"""The base class of graphs whose nodes are classified: checks, splits, sampled neighbourhoods, loaders."""

from typing import Any, NamedTuple

import torch
from lightning import LightningDataModule
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from zoo.core.errors import UsageError, listed, whole
from zoo.data.loader import Loader, Tensors
from zoo.data.neighbours import Neighbours


class Nodes(NamedTuple):
    """A graph, and the nodes in it that are to be classified."""

    features: Tensor  # (n, F)
    edges: Tensor  # (2, E) from source to target
    kinds: Tensor | None  # (E,) the kind of each edge, where there are several
    chosen: Tensor  # (K,) the nodes to classify


class Graph(NamedTuple):
    """A graph with labelled nodes, and three sets of them to train, to validate and to test."""

    features: Tensor  # (n, F)
    edges: Tensor  # (2, E)
    labels: Tensor  # (n,)
    splits: dict[str, Tensor]  # "train", "val", "test" -> (n,) bool
    kinds: Tensor | None = None  # (E,)


class NodeData(LightningDataModule):
    """Batches (`Nodes`, class numbers (K,)) of one graph: all nodes of a split at once, or sampled neighbourhoods.

    Args:
        batch_size: training nodes a step; None for all, so that an epoch is one step.
        neighbours: [k₁, k₂, …] for training steps that read at most k₁ random neighbours of each of their nodes, at
            most k₂ neighbours of each of these, and so on. Empty for the whole graph.
        row_normalise: scale the features of each node to sum 1.
        seed: of the order of the training nodes.

    A subclass gives ``classes`` and ``load() -> Graph``. Raises UsageError, one line, where an edge names a missing
    node, the features do not fit, or the splits overlap.
    """

    classes: tuple[str, ...]
    num_relations = 0  # the number of kinds of edges; 0 where edges have no kind

    def __init__(
        self,
        batch_size: int | None = None,
        neighbours: list[int] | None = None,
        row_normalise: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size is not None:
            whole("data.batch_size", batch_size, 1)
        listed("data.neighbours", neighbours or [])
        for count in neighbours or []:
            whole("data.neighbours", count, 1)
        self.batch_size, self.row_normalise, self.seed = batch_size, row_normalise, seed
        self.neighbours = list(neighbours or [])
        self.graph: Graph | None = None

    @property
    def facts(self) -> dict[str, int]:
        """What a model needs to know of the data: arguments of its constructor."""
        assert self.graph is not None, "call setup() first"
        in_features = self.graph.features.shape[1]
        return {"in_features": in_features, "num_classes": len(self.classes), "num_relations": self.num_relations}

    def load(self) -> Graph:
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        if self.graph is not None:
            return
        graph = self.load()
        check(f"data={type(self).__name__}", graph, len(self.classes), self.num_relations)
        if self.row_normalise:
            sums = graph.features.sum(1, keepdim=True)
            graph = graph._replace(features=graph.features / sums.masked_fill(sums == 0, 1))
        self.graph = graph
        self._sampler = Neighbours(graph.edges, len(graph.labels)) if self.neighbours else None
        self._here: Graph = graph  # on the device where it was used last

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Add the graph to the nodes: the whole one, or in training a sample of it."""
        chosen, labels = batch
        if self._sampler is not None and self.trainer is not None and self.trainer.training:
            ids, edges, which = self._sampler.around(chosen.cpu(), self.neighbours)
            assert self.graph is not None
            kinds = None if self.graph.kinds is None else self.graph.kinds[which]
            sample = Nodes(self.graph.features[ids], edges, kinds, torch.arange(len(chosen)))
            return move_data_to_device(sample, labels.device), labels
        if self._here.edges.device != labels.device:
            self._here = move_data_to_device(self._here, labels.device)
        return Nodes(self._here.features, self._here.edges, self._here.kinds, chosen), labels

    def _loader(self, split: str) -> Loader:
        assert self.graph is not None
        chosen = self.graph.splits[split].nonzero()[:, 0]
        training = split == "train"
        size = self.batch_size if training and self.batch_size else len(chosen)
        return Loader(Tensors(chosen, self.graph.labels[chosen]), size, shuffle=training, seed=self.seed)

    def train_dataloader(self) -> Loader:
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")


def check_edges(name: str, edges: Tensor, count: int) -> None:
    """Raise UsageError for edges that are not (2, E) or name a missing node."""
    if edges.dim() != 2 or edges.shape[0] != 2 or edges.dtype != torch.long:
        raise UsageError(f"{name}: edges must be int64 of shape (2, E), not {edges.dtype} {tuple(edges.shape)}")
    missing = ((edges < 0) | (edges >= count)).any(0).nonzero()
    if len(missing):
        source, target = edges[:, missing[0, 0]].tolist()
        raise UsageError(f"{name}: edge {source} -> {target} names a missing node; there are nodes 0 to {count - 1}")


def check(name: str, graph: Graph, num_classes: int, num_relations: int = 0) -> None:
    """Raise UsageError for a graph whose parts do not fit together."""
    features, edges, labels, splits, kinds = graph
    count = len(labels)
    if features.dim() != 2 or len(features) != count:
        raise UsageError(f"{name}: {count} nodes, but features of shape {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise UsageError(f"{name}: a feature is NaN or infinite")
    check_edges(name, edges, count)
    if kinds is not None and kinds.shape != edges.shape[1:]:
        raise UsageError(f"{name}: {edges.shape[1]} edges, but kinds of shape {tuple(kinds.shape)}")
    if kinds is not None and len(kinds) and (kinds.min() < 0 or kinds.max() >= num_relations):
        raise UsageError(f"{name}: a kind of edge is out of range; legal are 0 to {num_relations - 1}")
    seen: dict[str, Tensor] = {}
    for split, mask in splits.items():
        if mask.shape != (count,) or mask.dtype != torch.bool:
            raise UsageError(f"{name}: the {split} mask must be {count} booleans, not {mask.dtype} {tuple(mask.shape)}")
        if not mask.any():
            raise UsageError(f"{name}: no node in the {split} split")
        for other, earlier in seen.items():
            if (mask & earlier).any():
                node = int((mask & earlier).nonzero()[0, 0])
                raise UsageError(f"{name}: node {node} is in both the {other} and the {split} split")
        seen[split] = mask
        wrong = labels[mask & ((labels < 0) | (labels >= num_classes))]
        if len(wrong):
            raise UsageError(f"{name}: label {int(wrong[0])} out of range; legal are 0 to {num_classes - 1}")
