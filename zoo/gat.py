"""The graph attention network: each node decides by its features how much it takes from which neighbour.

    z = W h,   e = LeakyReLU(⟨a, zⱼ⟩ + ⟨c, zᵢ⟩) for the edge j -> i,   α = softmax of e over the edges into i,
    hᵢ = ELU(Σ α zⱼ + b),   several heads side by side,   logits: the mean of the heads of one more such layer.

    input        n × 1 433       Cora's words; dropout before each layer, and of α
    attention    n × 8 × 8       8 heads of 8         1 433 × 64 + 2 × 64 + 64      91 904 parameters
    output       n × 7           1 head of 7          64 × 7 + 2 × 7 + 7               469       together 92 373

Source: Veličković et al., Graph attention networks (2018), section 3.3, the transductive settings.
Differs from the authors' code: the rows z are not dropped out once more behind W.
"""

from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import ModuleList

from zoo.base.classifier import Classifier
from zoo.callbacks.pictures.nodes import NodesPicture
from zoo.core.errors import between, whole
from zoo.core.namespace import Namespace
from zoo.gcn import FeatureDropout, Remembered, refuse_relations


class GAT(Classifier):
    """Classifies nodes of a graph: `zoo.data.nodes.Nodes` -> logits (K, num_classes) of its K chosen nodes.

    Args:
        hidden: the number of features of a head.
        heads: in each layer before the last.
        output_heads: in the last layer, of which the logits are the mean.
        depth: the number of layers, the last one included.
        dropout: before every layer, and of the attention's weights.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        hidden: int = 8,
        heads: int = 8,
        output_heads: int = 1,
        depth: int = 2,
        dropout: float = 0.6,
        in_features: int = 34,
        num_classes: int = 4,
        num_relations: int = 0,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        whole("model.hidden", hidden, 1)
        whole("model.heads", heads, 1)
        whole("model.output_heads", output_heads, 1)
        whole("model.depth", depth, 1)
        between("model.dropout", dropout, 0, 1)
        refuse_relations("gat", num_relations)
        nn = Namespace(layers)
        sizes = [in_features, *[heads * hidden] * (depth - 1)]
        self.features = FeatureDropout(layers, dropout)
        self.attentions = ModuleList(nn.GATConv(size, hidden, heads, dropout=dropout) for size in sizes[:-1])
        self.activation, self.dropout = nn.ELU(), nn.Dropout(dropout)
        self.head = nn.GATConv(sizes[-1], num_classes, output_heads, concat=False, dropout=dropout)
        self._loops = Remembered()

    def graph(self, edges: Tensor, count: int) -> Any:
        return self._loops(edges, lambda: self.head.adjacency(edges, count))

    def encoder(self, features: Tensor, edges: Tensor, kinds: Tensor | None = None) -> Tensor:
        """The layers before the last: features (n, F), edges -> (n, heads · hidden)."""
        h = self.features(features, self.head.weight.dtype)
        for attention in self.attentions:
            h = self.dropout(self.activation(attention(h, self.graph(edges, len(features)))))
        return h

    def forward(self, input: Any) -> Tensor:
        features, edges, kinds, chosen = input
        return self.head(self.encoder(features, edges, kinds), self.graph(edges, len(features)))[chosen]

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), NodesPicture()]
