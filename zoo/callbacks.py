"""What accompanies every training run: the progress bar, the random numbers, and Ctrl-C."""

import signal
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, RichProgressBar, TQDMProgressBar
from rich.console import Console

from zoo.keep import resumable
from zoo.seeding import mix


def short_names(metrics: dict[str, Any]) -> dict[str, Any]:
    """What one wants to read beside a bar: loss and accuracy of the last step, val/loss and val/accuracy."""
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
    """Loss and accuracy while it learns: Rich's bar in a terminal, a plain one where the output goes elsewhere."""
    return RichProgress(leave=True) if Console().is_terminal else PlainProgress(refresh_rate=100, leave=True)


class RandomNumbers(Callback):
    """Make the random numbers of step k (dropout, augmentation) depend on the seed, the rank and k alone.

    The generators are seeded before each step's batch is fetched. So nothing that happens between two steps, not a
    validation and not an interruption, changes what follows, and a resumed run takes the path of an unbroken one.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _reseed(self, trainer: Trainer) -> None:
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(mix(self.seed, trainer.global_rank, step))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)  # a run resumed in mid-epoch has no on_train_epoch_start

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._reseed(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer)


class Interrupted(Exception):
    """The user pressed Ctrl-C; the state of the run is in the checkpoint `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Interrupt(Checkpoint):
    """Ctrl-C ends the run after the step it is in, with a checkpoint at `path`; a second Ctrl-C ends it at once.

    A `Checkpoint`, since Lightning calls these last: what it saves has the others' state of the same moment. It
    waits for a step that is `resumable`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked = False
        self._before = signal.getsignal(signal.SIGINT)  # for an error before the fit

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._before = signal.getsignal(signal.SIGINT)

        def ask(*_: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, self._before)

        signal.signal(signal.SIGINT, ask)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        signal.signal(signal.SIGINT, self._before)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        signal.signal(signal.SIGINT, self._before)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if resumable(trainer):
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):  # all processes, or none
            trainer.save_checkpoint(self.path)
            raise Interrupted(self.path)
