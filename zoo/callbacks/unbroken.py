"""What Lightning leaves out of a checkpoint, so that a resumed run is the unbroken one."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.core.distributed import gathered


def sums(trainer: Trainer) -> dict[str, dict[str, Tensor]]:
    """The sums of this epoch so far, over which its means are taken, by the names under which Lightning keeps them."""
    results: Any = trainer.fit_loop.epoch_loop._results
    kept = {name: result for name, result in results.items() if result.meta.on_epoch and result.is_tensor}
    return {name: {key: getattr(result, key).cpu() for key in result._defaults} for name, result in kept.items()}


def plateaus(trainer: Trainer) -> dict[int, float]:
    """The moves of plateau schedules that Lightning makes right after this checkpoint: schedule number, value."""
    progress: Any = trainer.fit_loop.epoch_progress.current
    measured = trainer.callback_metrics
    ended = progress.processed == progress.started
    interval, turn = ("epoch", progress.started) if ended else ("step", trainer.fit_loop.epoch_loop.batch_idx + 1)
    return {
        number: float(measured[each.monitor])
        for number, each in enumerate(trainer.lr_scheduler_configs)
        if each.reduce_on_plateau and each.interval == interval and turn % each.frequency == 0
        if each.monitor in measured
    }


class Unbroken(Callback):
    """Keep in a checkpoint the sums of the epoch's means, the measured values, whether the run should stop, and the
    moves of plateau schedules that are due; give them back to a run that is resumed."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["unbroken"] = {
            "sums": gathered(sums(trainer)),
            "measured": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "plateaus": plateaus(trainer),
            "stop": bool(trainer.should_stop),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._kept = checkpoint.get("unbroken")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        kept, self._kept = self._kept, None
        every: list[Any] = kept["sums"] if kept else []
        same = trainer.fit_loop.restarted_mid_epoch and len(every) == trainer.world_size
        self._sums = every[trainer.global_rank] if same else {}
        if kept is None:
            return
        measured = {name: torch.tensor(value, device=pl_module.device) for name, value in kept["measured"].items()}
        trainer._logger_connector._callback_metrics.update(measured)
        for number, value in kept["plateaus"].items():
            pl_module.lr_scheduler_step(trainer.lr_scheduler_configs[number].scheduler, value)
        if kept["stop"]:
            trainer.should_stop = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        trainer.fit_loop._restarting = False  # or Lightning leaves out the plateau's move at the end of this epoch
        results: Any = trainer.fit_loop.epoch_loop._results
        for name in self._sums.keys() & results.keys():
            result, before = results[name], self._sums.pop(name)
            for key, value in before.items():
                now = getattr(result, key)
                joined = result.meta.reduce_fx if result.meta.is_max_reduction or result.meta.is_min_reduction else None
                value = value.to(now.device)
                setattr(result, key, joined(now, value) if joined else now + value)
            result._computed = None
