"""The configuration of a run, and its last validation, in every checkpoint."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf


class SaveConfig(Callback):
    """Put the whole configuration and the metrics of the last validation into every checkpoint, as plain values.

    So a checkpoint can be evaluated, exported and resumed without any other file.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = OmegaConf.to_container(config, resolve=True)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["metrics"] = validated(trainer)


def validated(trainer: Trainer) -> dict[str, float]:
    """The metrics of the last validation."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
