"""The base class of classifiers: loss, metrics, and the steps of training, validation and test."""

from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import Module
from torchmetrics.classification import MulticlassAccuracy

from zoo.base.trainable import Trainable
from zoo.callbacks.pictures.classifier import ClassifierPictures
from zoo.core.errors import whole
from zoo.core.namespace import Namespace


class Classifier(Trainable):
    """Trains ``self.network``, (N, …) -> logits (N, C), by cross-entropy on pairs (input, class number).

    Args:
        layers: the package that every layer and the loss come from. A string, so that checkpoints can store it.
        num_classes: C.
        training: optimizer and scheduler, see `Trainable`.

    A subclass builds the network in its constructor, from ``Namespace(layers)`` alone.
    Logs val/loss, val/accuracy, test/loss, test/accuracy, and train/loss and train/accuracy with the endings _step
    (of one batch) and _epoch (the mean).
    """

    network: Module

    def __init__(
        self,
        layers: str,
        num_classes: int,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        whole("num_classes", num_classes, 2)
        self.loss = Namespace(layers).CrossEntropyLoss()
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.test_accuracy = MulticlassAccuracy(num_classes, average="micro")

    def forward(self, input: Tensor) -> Tensor:
        return self.network(input)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        input, target = batch
        logits = self(input)
        loss = self.loss(logits, target)
        accuracy = (logits.detach().argmax(1) == target).float().mean()
        shown = {"train/loss": loss.detach(), "train/accuracy": accuracy}
        self.log_dict(shown, prog_bar=True, on_step=True, on_epoch=True, batch_size=len(target))
        return loss + self.penalty()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._evaluate("val", self.val_accuracy, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._evaluate("test", self.test_accuracy, batch)

    def _evaluate(self, stage: str, metric: MulticlassAccuracy, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Log loss and accuracy of a batch; return its logits, from which `ClassifierPictures` draws."""
        input, target = batch
        logits = self(input)
        metric.update(logits, target)
        shown = {f"{stage}/loss": self.loss(logits, target), f"{stage}/accuracy": metric}
        self.log_dict(shown, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(target))
        return logits

    def configure_callbacks(self) -> list[Callback]:
        return [ClassifierPictures()]
