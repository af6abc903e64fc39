"""TODO."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from omegaconf import DictConfig

from zoo.training.build import plain_values


class KeepConfig(Callback):
    """Put the whole configuration into every checkpoint, as plain values, and what was measured last, so that the file
    explains itself."""

    def __init__(self, config: DictConfig) -> None:
        self.config = plain_values(config)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["metrics"] = validated(trainer)


def validated(trainer: Trainer) -> dict[str, float]:
    """The metrics of the last validation."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
