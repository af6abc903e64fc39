"""Another optimizer from a chosen epoch on, such as Adam first and gradient descent later."""

import warnings
from collections.abc import Callable
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from zoo.core.errors import UsageError, whole


class SwitchOptimizer(Callback):
    """Replace the optimizer by `optimizer`, a function of the parameters, once `epoch` epochs are over.

    The new one begins without a state: no velocity, no averages. A schedule is applied to its learning rate from where
    it was, except one that waits for a plateau, which begins anew. A run that is resumed after the switch goes on with
    the new optimizer. Raises UsageError for an epoch that is no whole number or beyond the end of the run, and for an
    optimizer that refuses its options.
    """

    def __init__(self, optimizer: Callable[..., Any], epoch: int) -> None:
        whole("callbacks.switch_optimizer.epoch", epoch, 0)
        self.optimizer, self.epoch = optimizer, epoch
        self.switched = False

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        if stage != "fit":
            return
        if trainer.max_epochs is not None and not self.epoch < trainer.max_epochs:
            raise UsageError(
                f"callbacks.switch_optimizer.epoch={self.epoch}: must be less than "
                f"trainer.max_epochs={trainer.max_epochs}"
            )
        try:
            self.optimizer(pl_module.parameter_groups())
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise UsageError(f"callbacks.switch_optimizer.optimizer: {error}") from error

    def state_dict(self) -> dict[str, Any]:
        return {"switched": self.switched}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.switched = state_dict["switched"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.switched:  # Lightning now loads the new optimizer's state, and the schedule's
            self._switch(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch < self.epoch or self.switched:
            return
        moves = [config.scheduler.last_epoch for config in trainer.lr_scheduler_configs]
        self._switch(trainer, pl_module)
        self.switched = True
        for config, count in zip(trainer.lr_scheduler_configs, moves, strict=True):
            if not isinstance(config.scheduler, ReduceLROnPlateau):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # torch warns that the optimizer has made no step
                    for _ in range(count):
                        config.scheduler.step()

    def _switch(self, trainer: Trainer, module: Any) -> None:
        module.change_optimizer(self.optimizer)
        trainer.strategy.setup_optimizers(trainer)
