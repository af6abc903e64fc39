"""The graph convolutional network: each layer averages over the neighbours of a node, then maps linearly.

h₀ = X,   hₖ = f(Â hₖ₋₁ Wₖᵀ + bₖ),   Â = D^(-1/2) (A + I) D^(-1/2),   logits of the nodes from one more such layer.
Source: Kipf and Welling, Semi-supervised classification with graph convolutional networks (2017); for edges of several
kinds Schlichtkrull et al., Modeling relational data with graph convolutional networks (2018).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Module, ModuleList

from zoo.base.classifier import Classifier
from zoo.callbacks.pictures.nodes import NodesPicture
from zoo.core.errors import UsageError, at_least, between, listed, one_of, whole
from zoo.core.namespace import Namespace

ACTIVATIONS = ("ReLU", "Tanh", "Sigmoid", "LeakyReLU", "GELU", "Identity")
SPARSE = 0.1  # features with a smaller fraction of non-zeros are multiplied as sparse matrices


class Remembered:
    """The result of a function of a tensor, kept for the next calls with the same tensor, such as a graph's edges."""

    def __init__(self) -> None:
        self._key: Any = None

    def __call__(self, key: Tensor, make: Callable[[], Any]) -> Any:
        if self._key is not key:
            self._key, self._value = key, make()
        return self._value

    def __getstate__(self) -> dict[str, Any]:  # not copied with a model
        return {"_key": None}


class FeatureDropout(Module):
    """Dropout of a graph's features (n, F); where they are mostly zero, as a sparse matrix, which is made once."""

    def __init__(self, layers: str, p: float) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.dense, self.sparse = nn.Dropout(p), nn.SparseDropout(p)
        self._prepared = Remembered()

    def forward(self, features: Tensor, dtype: torch.dtype) -> Any:
        def prepared() -> Any:
            x = features.to(dtype)
            sparse = not torch.compiler.is_compiling() and x.count_nonzero() < SPARSE * x.numel()
            return self.sparse.sparse(x) if sparse else x

        x = self._prepared(features, prepared)
        return self.dense(x) if isinstance(x, Tensor) and x.layout is torch.strided else self.sparse(x)


def sizes_of(hidden: Any) -> list[int]:
    """The sizes of hidden layers, at least one, as a list. Raises UsageError for anything else."""
    listed("model.hidden", hidden)
    at_least("the length of model.hidden", len(hidden), 1)
    for size in hidden:
        whole("model.hidden", size, 1)
    return list(hidden)


def refuse_relations(model: str, num_relations: int) -> None:
    """Raise UsageError for a graph with edges of several kinds, of which this model would see one."""
    if num_relations:
        raise UsageError(f"model={model}: does not tell edges of several kinds apart; take model=gcn")


class GraphEncoder(Module):
    """The graph convolutions up to the last hidden one: (features (n, F), edges, kinds) -> (n, hidden[-1])."""

    def __init__(
        self,
        layers: str,
        in_features: int,
        hidden: list[int],
        dropout: float,
        residual: bool,
        activation: str,
        bias: bool,
        num_relations: int,
        num_bases: int | None,
    ) -> None:
        super().__init__()
        one_of("model.activation", activation, ACTIVATIONS)
        between("model.dropout", dropout, 0, 1)
        if num_bases is not None:
            whole("model.num_bases", num_bases, 1)
        self.package = layers
        self.relations = num_relations
        self._options = {"num_relations": num_relations, "num_bases": num_bases} if num_relations else {}
        self._options["bias"] = bias
        nn = Namespace(layers)
        self.residual = residual
        self.activation = getattr(nn, activation)()
        self.features, self.dropout = FeatureDropout(layers, dropout), nn.Dropout(dropout)
        self.convolutions = ModuleList(
            self.convolution(*sizes) for sizes in zip([in_features, *hidden], hidden, strict=False)
        )
        self._matrix = Remembered()

    def convolution(self, in_features: int, out_features: int) -> Module:
        """A new graph convolution of the kind that the graph asks for."""
        nn = Namespace(self.package)
        return (nn.RGCNConv if self.relations else nn.GCNConv)(in_features, out_features, **self._options)

    def matrix(self, edges: Tensor, kinds: Tensor | None, count: int) -> Any:
        """The normalised adjacency matrix, computed once for a graph."""
        first: Any = self.convolutions[0]
        dtype = first.weight.dtype
        if not self.relations:
            return self._matrix(edges, lambda: first.adjacency(edges, count, dtype=dtype))
        return self._matrix(edges, lambda: first.adjacency(edges, kinds, count, self.relations, dtype=dtype))

    def forward(self, features: Tensor, edges: Tensor, kinds: Tensor | None = None) -> Tensor:
        matrix = self.matrix(edges, kinds, features.shape[0])
        first, *others = self.convolutions
        dtype: Any = first.weight.dtype
        h = self.activation(first(self.features(features, dtype), matrix))
        for convolution in others:
            new = self.activation(convolution(self.dropout(h), matrix))
            h = h + new if self.residual and h.shape == new.shape else new
        return h


class GCN(Classifier):
    """Classifies nodes of a graph: `zoo.data.nodes.Nodes` -> logits (K, num_classes) of its K chosen nodes.

    Args:
        hidden: the sizes of the hidden layers; the output layer comes after them.
        dropout: before every layer, and so on the features, too.
        residual: hₖ = hₖ₋₁ + f(…) where the two have the same size (appendix B of the paper).
        head: the output layer, a graph "convolution", or a "linear" layer, which reads each node by itself.
        num_relations: the number of kinds of edges. 0 for a GCN; more for an RGCN, with `num_bases` shared weights if
            given.
        first_layer_decay: the factor of the L2 penalty ½ · decay · ‖W₁‖² on the first layer alone, as in Kipf and
            Welling's code.

    Besides what every `Classifier` logs, logs val/objective, the loss with that penalty.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        hidden: list[int] | tuple[int, ...] = (16,),
        dropout: float = 0.5,
        residual: bool = False,
        activation: str = "ReLU",
        head: str = "convolution",
        bias: bool = True,
        num_bases: int | None = None,
        first_layer_decay: float = 0.0,
        in_features: int = 34,
        num_classes: int = 4,
        num_relations: int = 0,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        hidden = sizes_of(hidden)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.head", head, ("convolution", "linear"))
        at_least("model.first_layer_decay", first_layer_decay, 0)
        self.encoder = GraphEncoder(
            layers, in_features, hidden, dropout, residual, activation, bias, num_relations, num_bases
        )
        if head == "linear":
            self.head = Namespace(layers).Linear(hidden[-1], num_classes)
        else:
            self.head = self.encoder.convolution(hidden[-1], num_classes)
        self.head_convolves = head == "convolution"
        self.first_layer_decay = first_layer_decay

    def forward(self, input: Any) -> Tensor:
        features, edges, kinds, chosen = input
        h = self.encoder.dropout(self.encoder(features, edges, kinds))
        if self.head_convolves:
            return self.head(h, self.encoder.matrix(edges, kinds, len(features)))[chosen]
        return self.head(h[chosen])

    def parameter_groups(self) -> Iterable[Any]:
        if not self.first_layer_decay:
            return self.parameters()
        first = list(self.encoder.convolutions[0].parameters())
        others = [parameter for parameter in self.parameters() if all(parameter is not one for one in first)]
        return [{"params": first, "weight_decay": self.first_layer_decay}, {"params": others}]

    def validation_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> Tensor:
        logits = super().validation_step(batch, batch_idx)
        squares = sum(parameter.square().sum() for parameter in self.encoder.convolutions[0].parameters())
        objective = self.loss(logits, batch[1]) + 0.5 * self.first_layer_decay * squares
        self.log("val/objective", objective, on_step=False, on_epoch=True, batch_size=len(batch[1]))
        return logits

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), NodesPicture()]


class GraphGCN(Classifier):
    """Classifies whole graphs: `zoo.data.graphs.Graphs` -> logits (B, num_classes).

    Args:
        readout: "mean", "sum" or "max" of the last layer over the nodes of each graph.

    The other arguments are those of `GCN`.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        hidden: list[int] | tuple[int, ...] = (32, 32, 32),
        dropout: float = 0.0,
        residual: bool = True,
        activation: str = "ReLU",
        readout: str = "mean",
        in_features: int = 13,
        num_classes: int = 4,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        hidden = sizes_of(hidden)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.readout", readout, ("mean", "sum", "max"))
        self.encoder = GraphEncoder(layers, in_features, hidden, dropout, residual, activation, True, 0, None)
        nn = Namespace(layers)
        self.readout = nn.Readout(readout)
        self.head = nn.Linear(hidden[-1], num_classes)

    def forward(self, input: Any) -> Tensor:
        features, edges, batch, count = input
        return self.head(self.encoder.dropout(self.readout(self.encoder(features, edges), batch, count)))
