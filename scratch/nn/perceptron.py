"""The step function and the loss of perceptrons; the mathematics is in scratch/ops/loss/perceptron.py."""

from torch import Tensor

from scratch.nn import functional as F
from scratch.nn.layer import Layer


class Step(Layer):
    """1 where s ≥ 0, else 0; its slope is 0 everywhere."""

    def forward(self, input: Tensor) -> Tensor:
        return F.step(input)


class PerceptronLoss(Layer):
    """Σ max(0, −s) for the class of an example, max(0, s) for all others: its gradient is the perceptron's rule."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.perceptron_loss(input, target, self.reduction)
