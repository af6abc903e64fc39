"""The early stopping of Kipf and Welling's graph convolutional network."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from zoo.core.errors import whole


class StopAboveMean(Callback):
    """End training once the monitored value is above its mean over the last `window` epochs.

    Source: the code of Kipf and Welling, Semi-supervised classification with graph convolutional networks (2017).
    """

    def __init__(self, monitor: str = "val/objective", window: int = 10) -> None:
        whole("callbacks.early_stopping.window", window, 1)
        self.monitor, self.window = monitor, window
        self.values: list[float] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        *earlier, last = self.values = [*self.values[-self.window :], float(trainer.callback_metrics[self.monitor])]
        if len(earlier) == self.window and last > sum(earlier) / self.window:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.values = state_dict["values"]
