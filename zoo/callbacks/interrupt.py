"""Ctrl-C: the run saves a checkpoint and ends."""

import signal
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from zoo.callbacks.checkpoints import resumable


class Interrupted(Exception):
    """Raised when the user has pressed Ctrl-C and the state of the run is saved in the checkpoint `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Interrupt(Checkpoint):
    """On Ctrl-C finish the current step, save a checkpoint at `path` and end the run; on a second one end at once.

    The checkpoint is taken after the first step that is `resumable`. This is a `Checkpoint` because Lightning calls
    these after all other callbacks, so that the checkpoint has their state after the same step.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked = False
        self._before = signal.getsignal(signal.SIGINT)  # where an error comes before the fit

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
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):  # in one process: all stop
            trainer.save_checkpoint(self.path)
            raise Interrupted(self.path)
