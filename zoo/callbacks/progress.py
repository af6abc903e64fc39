"""The progress bar, with loss and accuracy beside it."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from rich.console import Console


def short_names(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics beside the bar: loss and accuracy of the last step, val/loss and val/accuracy."""
    return {
        name.removeprefix("train/").removesuffix("_step"): value
        for name, value in metrics.items()
        if "/" in name and not name.endswith("_epoch")
    }


class RichProgress(RichProgressBar):
    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return short_names(super().get_metrics(trainer, pl_module))


class PlainProgress(TQDMProgressBar):
    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return short_names(super().get_metrics(trainer, pl_module))


def progress() -> Callback:
    """Rich's progress bar in a terminal, a plain one where the output goes elsewhere."""
    return RichProgress(leave=True) if Console().is_terminal else PlainProgress(refresh_rate=100, leave=True)
