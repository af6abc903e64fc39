"""The progress bar, with loss and accuracy beside it."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from rich.console import Console

REFRESH = 10  # drawings a second


def short_names(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics beside the bar: loss and accuracy of the last step, val/loss and val/accuracy."""
    return {
        name.removeprefix("train/").removesuffix("_step"): value
        for name, value in metrics.items()
        if "/" in name and not name.endswith("_epoch")
    }


class Bar(Tqdm):
    """Lightning's bar, drawn at most ten times a second by all bars together: drawing takes longer than a short epoch.

    A bar that has been drawn is drawn once more when it ends; one that has not leaves no trace.

    Args:
        metrics: gives what stands beside the bar; asked whenever the bar is drawn.
    """

    last = -math.inf  # when a bar was drawn
    shown = ended = False

    def __init__(self, *args: Any, metrics: Callable[[], dict[str, Any]] = dict, **options: Any) -> None:
        self.metrics = metrics
        super().__init__(*args, **options)

    def display(self, *args: Any, **options: Any) -> None:
        now = time.monotonic()
        if now - Bar.last < 1 / REFRESH and not self.ended:
            return
        Bar.last, self.shown = now, True
        self.set_postfix(self.metrics(), refresh=False)
        super().display(*args, **options)

    def close(self) -> None:
        self.ended = self.shown
        if not self.shown:
            self.last_print_t = -math.inf  # by which tqdm knows that there is nothing to clear
        super().close()


class RichProgress(RichProgressBar):
    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return short_names(super().get_metrics(trainer, pl_module))


class PlainProgress(TQDMProgressBar):
    def init_train_tqdm(self) -> Tqdm:
        return self._bar(self.train_description, leave=True, metrics=self._metrics)

    def init_validation_tqdm(self) -> Tqdm:
        return self._bar(self.validation_description, leave=False)

    def _bar(self, description: str, leave: bool, **options: Any) -> Tqdm:
        place = 2 * self.process_position + (not leave)
        return Bar(
            desc=description, position=place, disable=self.is_disabled, leave=leave, dynamic_ncols=True,
            file=sys.stdout, smoothing=0, bar_format=self.BAR_FORMAT, **options,
        )  # fmt: skip

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return {}  # for Lightning asks after each step, the bar itself when it is drawn

    def _metrics(self) -> dict[str, Any]:
        return short_names(super().get_metrics(self.trainer, self.trainer.lightning_module))


def progress() -> Callback:
    """Rich's progress bar in a terminal, a plain one where the output goes elsewhere."""
    return (
        RichProgress(refresh_rate=REFRESH, leave=True)
        if Console().is_terminal
        else PlainProgress(refresh_rate=100, leave=True)
    )
