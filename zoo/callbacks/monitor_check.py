"""TODO."""

from lightning import Callback, LightningModule, Trainer

from zoo.core.errors import one_of


class Monitors(Callback):
    """After the first validation refuse to watch a quantity that was not measured: for the best checkpoint, to stop
    early, or to lower the learning rate. To be the first of the callbacks."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        watched = [getattr(callback, "monitor", None) for callback in trainer.callbacks]  # type: ignore[attr-defined]
        watched += [each.monitor for each in trainer.lr_scheduler_configs if each.reduce_on_plateau]
        for name in watched:
            if name is not None and not name.startswith("train/"):  # of an epoch's end, which is still to come
                one_of("monitor", name, trainer.callback_metrics)
