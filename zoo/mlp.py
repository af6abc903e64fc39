"""The multi-layer perceptron: linear maps with activations between them. Backpropagation was introduced with it.

h₀ = x flattened,  hₖ = f(norm(Wₖ hₖ₋₁ + bₖ)) for k = 1 … depth,  logits = W h + b.
Source: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors (1986).
"""

from itertools import pairwise
from math import prod
from typing import Any

from torch.nn import Sequential

from zoo.base.classifier import Classifier
from zoo.base.norms import NORMS, check_batches
from zoo.core.errors import between, one_of, whole
from zoo.core.namespace import Namespace

ACTIVATIONS = ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "Identity")


class MLP(Classifier):
    """A perceptron with `depth` hidden layers of `width` units; depth 0 is softmax regression.

    Input (N, channels, image_size, image_size), output logits (N, num_classes). `dropout` follows every activation.
    `norm`, before every activation: "none", "batch" or "layer". The linear maps before batch norm, which takes the mean
    away, have no bias.
    Raises UsageError for an activation that is not in ACTIVATIONS, or a size out of range.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        activation: str = "ReLU",
        width: int = 256,
        depth: int = 2,
        dropout: float = 0.0,
        norm: str = "none",
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.activation", activation, ACTIVATIONS)
        whole("model.width", width, 1)
        whole("model.depth", depth, 0)
        between("model.dropout", dropout, 0, 1)
        one_of("model.norm", norm, NORMS)
        nn = Namespace(layers)
        sizes = [prod((channels, image_size, image_size)), *[width] * depth]
        blocks = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            blocks.append(nn.Linear(inputs, outputs, bias=norm != "batch"))
            if norm != "none":
                blocks.append(nn.BatchNorm1d(outputs) if norm == "batch" else nn.LayerNorm(outputs))
            blocks.append(getattr(nn, activation)())
            if dropout:
                blocks.append(nn.Dropout(dropout))
        self.network = Sequential(*blocks, nn.Linear(sizes[-1], num_classes))

    def check(self, data: Any) -> None:
        check_batches(self.hparams["norm"], data)
