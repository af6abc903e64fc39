"""The perceptron, the first network that learned: a unit for each class, which fires where its score is not negative.

s = W x + b,  ŷ = [s ≥ 0],  and for every example  W ← W + η (t − ŷ) xᵀ,  t = 1 for its class and 0 for the others.

This rule is gradient descent on `PerceptronLoss`, so the perceptron is trained like any other model. optimizer=sgd,
optimizer.lr=η and data.batch_size=1 are exactly Rosenblatt's rule (experiment=perceptron). Classes that a plane
separates are learned in finitely many steps; otherwise the weights never settle (Minsky and Papert 1969).
Source: Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the brain (1958).
"""

from math import prod
from typing import Any

from torch.nn import Sequential, init

from zoo.base.classifier import Classifier
from zoo.core.namespace import Namespace


class Perceptron(Classifier):
    """Input (N, channels, image_size, image_size), output scores (N, num_classes). All weights start at 0."""

    def __init__(
        self,
        layers: str = "zoo.layers",
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        nn = Namespace(layers)
        units = nn.Linear(prod((channels, image_size, image_size)), num_classes)
        for parameter in units.parameters():
            init.zeros_(parameter)
        self.network = Sequential(nn.Flatten(), units)
        self.loss = nn.PerceptronLoss()
