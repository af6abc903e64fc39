"""The base class of models that learn to draw pictures: the steps of training, validation and test."""

from typing import Any

import torch
from torch import Tensor

from zoo.base.trainable import Trainable
from zoo.core.errors import UsageError


class Generative(Trainable):
    """Trains a model on pictures with pixels from 0 to 1, without their class numbers.

    A subclass defines ``losses(pictures, seed=None)``: its loss under the name "loss", and other quantities to be shown
    beside it. The random numbers that it needs come from `generator`: with a seed, the number of the batch, they are
    the same whenever a model is measured.

    Logs them as val/loss, test/loss, and train/loss with the endings _step (of one batch) and _epoch (the mean).
    """

    def losses(self, pictures: Tensor, seed: int | None = None) -> dict[str, Tensor]:
        raise NotImplementedError

    def generator(self, seed: int | None) -> torch.Generator | None:
        """A source of random numbers with this seed, or None for torch's own."""
        return None if seed is None else torch.Generator(self.device).manual_seed(seed)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        losses = self.losses(batch[0])
        shown = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict(shown, prog_bar=True, on_step=True, on_epoch=True, batch_size=len(batch[0]))
        return losses["loss"] + self.penalty()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch, batch_idx)

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        shown = {f"{stage}/{name}": value for name, value in self.losses(batch[0], seed=batch_idx).items()}
        self.log_dict(shown, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch[0]))

    def check(self, data: Any) -> None:
        if data.pixels != "unit":
            raise UsageError(f"data.pixels={data.pixels}: {type(self).__name__} draws pixels from 0 to 1; take unit")
