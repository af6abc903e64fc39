"""Stochastic weight averaging: the mean of the weights of the last epochs generalises better than the last weights.

    W̄ = (W₁ + … + Wₙ) / n,   Wₖ the weights at the end of the k-th of those epochs.

Validation, test and the ``state_dict`` of checkpoints use W̄. Training continues from W, which a checkpoint holds as
well. It works best with a constant, rather large learning rate.
Source: Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, Averaging weights leads to wider optima and better
generalization (2018).
"""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging

from zoo.core.errors import between


class StochasticWeightAveraging(WeightAveraging):
    """Average the weights over the epochs of a run that come after the fraction `start` of it."""

    def __init__(self, start: float = 0.75) -> None:
        super().__init__()
        between("callbacks.swa.start", start, 0, 1)
        self.start = start

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            trainer.precision_plugin.convert_module(self._average_model)  # or the swap would round float64
        self._begin = int(self.start * (trainer.max_epochs or 1))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return epoch_idx is not None and epoch_idx >= self._begin

    # Before the first of these epochs has ended, the weights themselves are used.

    def _averages(self) -> bool:
        return self._average_model is not None and int(self._average_model.n_averaged) > 0

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swapped = self._averages()
        if self._swapped:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._swapped:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._average_model is not None and not self._averages():
            self._average_model.module.load_state_dict(pl_module.state_dict())
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
