"""The base class of models that give numbers: loss, and the steps of training, validation and test."""

from typing import Any

from torch import Tensor
from torch.nn import Module

from zoo.base.trainable import Trainable
from zoo.core.namespace import Namespace


class Regressor(Trainable):
    """Trains ``self.network``, (N, …) -> (N, K), by the mean squared error on pairs (input, numbers (N, K)).

    Args:
        layers: the package that every layer and the loss come from. A string, so that checkpoints can store it.
        training: optimizer and scheduler, see `Trainable`.

    A subclass builds the network in its constructor, from ``Namespace(layers)`` alone.
    Logs val/loss, test/loss, and train/loss with the endings _step (of one batch) and _epoch (the mean).
    """

    network: Module

    def __init__(self, layers: str, **training: Any) -> None:
        super().__init__(**training)
        self.loss = Namespace(layers).MSELoss()

    def forward(self, input: Any) -> Tensor:
        return self.network(input)

    def training_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> Tensor:
        input, target = batch
        loss = self.loss(self(input), target)
        self.log("train/loss", loss.detach(), prog_bar=True, on_step=True, on_epoch=True, batch_size=len(target))
        return loss + self.penalty()

    def validation_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch)

    def _evaluate(self, stage: str, batch: tuple[Any, Tensor]) -> None:
        input, target = batch
        loss = self.loss(self(input), target)
        self.log(f"{stage}/loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(target))
