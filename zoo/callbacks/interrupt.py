"""TODO."""

import signal
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from zoo.callbacks.checkpoints import resumable


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
