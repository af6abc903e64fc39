"""The checkpoints of a run: when best.ckpt, last.ckpt and those of chosen epochs are saved.

How a checkpoint is written and read is in zoo/training/checkpoint.py.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from zoo.core.errors import at_least, listed, whole
from zoo.core.files import write_whole


class Best(ModelCheckpoint):
    """The checkpoint with the best value of the monitored quantity.

    A run that is resumed in another folder copies the best checkpoint so far into it, so that it ends with the same one
    as an unbroken run.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._writes = trainer.is_global_zero

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        before = Path(state_dict["best_model_path"])
        here = Path(self.dirpath or "") / before.name
        if before.is_file() and before != here:
            if self._writes:
                write_whole(here, before.read_bytes())
            score = state_dict["best_model_score"]
            moved = {"dirpath": self.dirpath, "best_model_path": str(here), "kth_best_model_path": str(here)}
            state_dict = {**state_dict, **moved, "best_k_models": {} if score is None else {str(here): score}}
        super().load_state_dict(state_dict)


def resumable(trainer: Trainer) -> bool:
    """Whether a run can be resumed from a checkpoint that is taken after the step just made.

    Not while gradients are being accumulated, since a checkpoint does not hold them, and not between a step and the
    validation that follows, nor after the last step of an epoch, where Lightning cannot resume.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    made, validates = loop.batch_progress.current.ready, loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
    return not (trainer.is_last_batch or validates or made % trainer.accumulate_grad_batches)


class Last(Checkpoint):
    """The checkpoint of the run's last state: saved after every epoch, and every so many minutes or steps within one.

    This is a `Checkpoint` because Lightning calls these after all other callbacks, so that it has their state after the
    same step. (ModelCheckpoint's own ``save_last`` saves only when the best checkpoint changes.)
    """

    def __init__(self, path: str, minutes: float | None = None, steps: int | None = None) -> None:
        if minutes is not None:
            at_least("callbacks.last.minutes", minutes, 0)
        if steps is not None:
            whole("callbacks.last.steps", steps, 1)
        self.path, self.minutes, self.steps = path, minutes, steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if resumable(trainer) and self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)

    def _due(self, trainer: Trainer) -> bool:
        if self.steps and trainer.global_step % self.steps == 0:
            return True
        late = self.minutes is not None and time.monotonic() - self._saved > 60 * self.minutes
        return trainer.strategy.broadcast(late)  # several processes must agree

    def _save(self, trainer: Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()


class AtEpochs(Checkpoint):
    """A checkpoint after each of these numbers of epochs: epoch_5.ckpt after five. Any of them can be resumed."""

    def __init__(self, folder: str, epochs: Sequence[int] = ()) -> None:
        listed("callbacks.at_epochs.epochs", epochs)
        for epoch in epochs:
            whole("callbacks.at_epochs.epochs", epoch, 1)
        self.folder, self.epochs = Path(folder), set(epochs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = trainer.current_epoch + 1
        if done in self.epochs and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.folder / f"epoch_{done}.ckpt")
