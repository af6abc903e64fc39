"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR1: the run saves a checkpoint and ends."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from zoo.callbacks.checkpoints import resumable
from zoo.core.signals import handle, note, restore


class Interrupted(Exception):
    """Raised when the run was asked to end and its state is saved in the checkpoint `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Interrupt(Checkpoint):
    """When asked to end, finish the current step, save a checkpoint at `path` and end the run; when asked a second time
    end at once.

    The checkpoint is taken after the first step that is `resumable`, or after the epoch. The run ends before the next
    one, when what it has measured is logged. This is a `Checkpoint` because Lightning calls these after all other
    callbacks, so that the checkpoint has their state after the same step.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked = self.saved = False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        def ask(number: int, frame: Any) -> None:
            note(number)
            self.asked = True
            restore(before)

        before = self._before = handle(ask)  # after Lightning has set its own

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        restore(self._before)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if resumable(trainer):
            self._save_if_asked(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._leave_if_saved()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save_if_asked(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave_if_saved()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave_if_saved()
        restore(self._before)

    def _save_if_asked(self, trainer: Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):  # in one process: all stop
            trainer.save_checkpoint(self.path)
            self.saved = True

    def _leave_if_saved(self) -> None:
        if self.saved:
            raise Interrupted(self.path)
