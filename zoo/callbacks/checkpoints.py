"""The two checkpoints that a run keeps: best.ckpt and last.ckpt, each of them whole at every moment."""

import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from zoo.core.errors import at_least, whole
from zoo.core.files import write_whole


class Best(ModelCheckpoint):
    """The checkpoint with the best measured quantity. A run that goes on in another folder takes the best one of before
    along, so that it ends with the same as an unbroken run."""

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
    """May a checkpoint be taken after the step that was just made? Not while gradients are being accumulated, which it
    would lose, and not between the last step of an epoch and its validation, where Lightning cannot take it up."""
    made = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return not trainer.is_last_batch and made % trainer.accumulate_grad_batches == 0


class Last(Checkpoint):
    """The state of the run at `path`: after every epoch, and within an epoch every so many minutes or steps.

    A `Checkpoint`, since Lightning calls these last: what it saves has the others' state of the same moment.
    (ModelCheckpoint's own ``save_last`` saves only when the best changes, too.)
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
        return trainer.strategy.broadcast(late)  # the clocks of several processes differ

    def _save(self, trainer: Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()
