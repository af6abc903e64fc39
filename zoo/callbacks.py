"""What accompanies every training run: the progress bar, the random numbers, and Ctrl-C."""

import signal
from random import Random
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from rich.console import Console


def Progress() -> Callback:
    """Loss and accuracy while it learns: Rich's bar in a terminal, plain lines elsewhere."""
    return RichProgressBar(leave=False) if Console().is_terminal else TQDMProgressBar(refresh_rate=50)


class RandomNumbers(Callback):
    """Make the random numbers of step k (dropout, augmentation) depend on the seed, the rank and k alone.

    The generators are seeded before each step's batch is fetched. So nothing that happens between two steps, not a
    validation and not an interruption, changes what follows, and a resumed run takes the path of an unbroken one.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _reseed(self, trainer: Trainer, module: LightningModule) -> None:
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        # Mixed by a hash, since torch keeps 32 bits of a seed, and neighbouring ones must not give similar numbers.
        torch.manual_seed(Random(f"{self.seed} {trainer.global_rank} {step}").getrandbits(32))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._reseed(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reseed(trainer, pl_module)


class Interrupted(Exception):
    """The user pressed Ctrl-C; the state of the run is in the checkpoint `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Interrupt(Callback):
    """Ctrl-C ends the run after the step it is in, with a checkpoint at `path`; a second Ctrl-C ends it at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked = False

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
        if self.asked:
            trainer.save_checkpoint(self.path)
            raise Interrupted(self.path)
