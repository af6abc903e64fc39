"""A check, after the first validation, that every monitored quantity is measured."""

from lightning import Callback, LightningModule, Trainer

from zoo.core.errors import one_of


class MonitorCheck(Callback):
    """Refuse to monitor a quantity that the validation does not measure.

    Quantities are monitored for the best checkpoint, for early stopping and to lower the learning rate on a plateau.
    This must be the first callback: the others would fail with an error of their own.
    """

    checked = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.checked:
            return
        self.checked = True
        monitored = [getattr(callback, "monitor", None) for callback in trainer.callbacks]  # type: ignore[attr-defined]
        monitored += [each.monitor for each in trainer.lr_scheduler_configs if each.reduce_on_plateau]
        for name in monitored:
            if name is not None and not name.startswith("train/"):  # those are measured at the end of the epoch
                one_of("monitor", name, trainer.callback_metrics)
