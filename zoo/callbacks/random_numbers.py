"""Random numbers that depend on the seed and the step alone, so that a resumed run repeats an unbroken one."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from zoo.core.seeding import mix


class RandomNumbers(Callback):
    """Make the random numbers of step k (dropout, augmentation) depend on the seed, the rank and k alone.

    The generators are seeded before each step's batch is fetched. So neither a validation nor an interruption between
    two steps changes the steps that follow.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _reseed(self, trainer: Trainer) -> None:
        number = mix(self.seed, trainer.global_rank, trainer.fit_loop.epoch_loop.total_batch_idx)
        if trainer.strategy.root_device.type == "cpu":
            torch.default_generator.manual_seed(number)  # torch.manual_seed takes half a millisecond for other devices
        else:
            torch.manual_seed(number)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)  # a run resumed in mid-epoch skips on_train_epoch_start

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._reseed(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)
