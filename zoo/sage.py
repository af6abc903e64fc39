"""GraphSAGE: each node maps its own features and the mean of its neighbours', each by a matrix of its own.

    hᵢ = f(W₀ hᵢ + W mean of hⱼ over the neighbours j of i + b),   logits from one more such layer without f.

    input        n × 1 433                          Cora's words; dropout before each layer
    mean         n × 16        2 × 1 433 × 16 + 16      45 872 parameters
    output       n × 7         2 × 16 × 7 + 7              231       together 46 103

The mean needs nothing of a graph but a node's neighbours. So it learns from samples of them (data.neighbours=[25,10])
where a graph does not fit into memory, and serves nodes that were not there in training.
Source: Hamilton, Ying and Leskovec, Inductive representation learning on large graphs (2017), the mean aggregator.
Differs from the paper: h is not scaled to length 1.
"""

from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import ModuleList

from zoo.base.classifier import Classifier
from zoo.callbacks.pictures.nodes import NodesPicture
from zoo.core.errors import between
from zoo.core.namespace import Namespace
from zoo.gcn import FeatureDropout, Remembered, refuse_relations, sizes_of


class SAGE(Classifier):
    """Classifies nodes of a graph: `zoo.data.nodes.Nodes` -> logits (K, num_classes) of its K chosen nodes.

    Args:
        hidden: the sizes of the hidden layers; the output layer comes after them.
        dropout: before every layer, and so on the features, too.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        hidden: list[int] | tuple[int, ...] = (16,),
        dropout: float = 0.5,
        in_features: int = 34,
        num_classes: int = 4,
        num_relations: int = 0,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        hidden = sizes_of(hidden)
        self.save_hyperparameters(ignore=list(training))
        between("model.dropout", dropout, 0, 1)
        refuse_relations("sage", num_relations)
        nn = Namespace(layers)
        sizes = zip([in_features, *hidden], hidden, strict=False)
        self.features = FeatureDropout(layers, dropout)
        self.convolutions = ModuleList(nn.SAGEConv(*pair) for pair in sizes)
        self.activation, self.dropout = nn.ReLU(), nn.Dropout(dropout)
        self.head = nn.SAGEConv(hidden[-1], num_classes)
        self._matrix = Remembered()

    def matrix(self, edges: Tensor, count: int) -> Any:
        return self._matrix(edges, lambda: self.head.adjacency(edges, count, dtype=self.head.weight.dtype))

    def encoder(self, features: Tensor, edges: Tensor, kinds: Tensor | None = None) -> Tensor:
        """The layers before the last: features (n, F), edges -> (n, hidden[-1])."""
        h = self.features(features, self.head.weight.dtype)
        for convolution in self.convolutions:
            h = self.dropout(self.activation(convolution(h, self.matrix(edges, len(features)))))
        return h

    def forward(self, input: Any) -> Tensor:
        features, edges, kinds, chosen = input
        return self.head(self.encoder(features, edges, kinds), self.matrix(edges, len(features)))[chosen]

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), NodesPicture()]
