"""The checkpoints of a run: when best.ckpt, last.ckpt and those of chosen epochs are saved.

How a checkpoint is written and read is in zoo/training/checkpoint.py.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from torch import Tensor

from zoo.core.errors import at_least, listed, whole
from zoo.core.files import write_whole

SECONDS = 30.0  # between two saves of the same checkpoint: no more of an epoch's time is to go into files


def due(trainer: Trainer, saved: float, seconds: float) -> bool:
    """Whether so many seconds have passed since the time `saved`; the same answer in all processes."""
    return trainer.strategy.broadcast(time.monotonic() - saved >= seconds)


def copied(value: Any) -> Any:
    """A checkpoint's content that no later step changes: nested dicts, lists and tuples with copies of all tensors."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(copied, value))
    return value


class Best(ModelCheckpoint):
    """The checkpoint with the best value of the monitored quantity.

    Where the best value is improved more often than once in `SECONDS`, its checkpoint is kept in memory, and written
    before any other checkpoint is, and when the training ends. So no file is older than what another says of it.
    A run that is resumed in another folder copies the best checkpoint so far into it, so that it ends with the same one
    as an unbroken run.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._writes = trainer.is_global_zero
        self._written = -math.inf
        self._kept: dict[str, Any] = {}  # path -> a checkpoint that is to be written there

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        self._kept.pop(filepath, None)
        if due(trainer, self._written, SECONDS):
            super()._save_checkpoint(trainer, filepath)
            self._written = time.monotonic()
        else:
            content = trainer._checkpoint_connector.dump_checkpoint(self.save_weights_only)
            self._kept[filepath] = copied(content) if self._writes else None
            self._last_global_step_saved, self._last_checkpoint_saved = trainer.global_step, filepath

    def _monitor_candidates(self, trainer: Trainer) -> dict[str, Tensor]:
        metrics = copied(trainer.callback_metrics)  # 0.1 ms of an epoch, where Lightning's deepcopy takes 0.4
        for name, now in (("epoch", trainer.current_epoch), ("step", trainer.global_step)):
            metrics[name] = metrics[name].int() if name in metrics else torch.tensor(now)
        return metrics

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        self._kept.pop(filepath, None)
        super()._remove_checkpoint(trainer, filepath)

    def _write_kept(self, trainer: Trainer) -> None:
        while self._kept:
            path, content = self._kept.popitem()
            if self._writes:
                trainer.strategy.checkpoint_io.save_checkpoint(content, path)
                for logger in trainer.loggers:
                    logger.after_save_checkpoint(self)
            self._written = time.monotonic()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._write_kept(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self._write_kept(trainer)
        trainer.strategy.barrier()  # all processes read it in the test

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        if hasattr(self, "_kept"):  # or the exception came before the setup
            self._write_kept(trainer)

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


def last_epoch(trainer: Trainer) -> bool:
    """Whether the training ends with the epoch whose end this is."""
    loop: Any = trainer.fit_loop
    counts = (loop.epoch_progress.current.processed, loop.max_epochs), (loop.epoch_loop.global_step, loop.max_steps)
    return trainer.should_stop or any(most not in (None, -1) and made >= most for made, most in counts)


class Last(Checkpoint):
    """The checkpoint of the run's last state: saved after every epoch, and every so many minutes or steps within one.

    Of epochs that end within `SECONDS` of the last save none is saved but the last.

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
        self._begun = self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if resumable(trainer) and self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        first = self._saved == self._begun
        if first or last_epoch(trainer) or due(trainer, self._saved, SECONDS):
            self._save(trainer)

    def _due(self, trainer: Trainer) -> bool:
        if self.steps and trainer.global_step % self.steps == 0:
            return True
        return self.minutes is not None and due(trainer, self._saved, 60 * self.minutes)

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
