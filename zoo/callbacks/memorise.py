"""A test of a model and its training: can it learn a few batches by heart?"""

import math
from itertools import islice
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from torch.utils.data import DataLoader

from zoo.core.errors import Failure, between, whole
from zoo.data.loader import as_it_is


class Memorise(Callback):
    """Train on the first `batches` alone until the loss of each is below `loss`; raise Failure if it never is.

    The batches come in the same order, `passes` times an epoch. Distortions, dropout, label smoothing and weight decay
    are switched off. A model that cannot learn so little by heart will not learn more.
    """

    def __init__(self, batches: int, passes: int, loss: float) -> None:
        whole("callbacks.memorise.batches", batches, 1)
        whole("callbacks.memorise.passes", passes, 1)
        between("callbacks.memorise.loss", loss, 0, math.inf)
        self.batches, self.passes, self.loss = batches, passes, loss
        self._losses: list[float] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if stage == "fit":
            first = list(islice(data.train_dataloader(), self.batches))
            self.batches = len(first)
            repeated: Any = self.passes * first  # a list is a dataset
            data.train_dataloader = lambda: DataLoader(repeated, batch_size=None, collate_fn=as_it_is)
            for name in ("rotate", "scale", "shift"):
                if hasattr(data, name):
                    setattr(data, name, 0)
            for module in pl_module.modules():
                for name in ("p", "dropout") if "Dropout" in type(module).__name__ else ("dropout", "label_smoothing"):
                    if isinstance(getattr(module, name, None), float):
                        setattr(module, name, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for group in trainer.optimizers[0].param_groups:
            group["weight_decay"] = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        self._losses.append(float(trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")))
        trainer.should_stop = self._known

    @property
    def _known(self) -> bool:
        last = self._losses[-self.batches :]
        return len(last) == self.batches and max(last) < self.loss

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        classes = pl_module.hparams.get("num_classes")
        chance = f" (guessing among {classes} classes: {math.log(classes):.4g})" if classes else ""
        first, last = self._losses[0], max(self._losses[-self.batches :])
        what = f"{self.batches} batch{'es' * (self.batches > 1)}"
        went = f"after {len(self._losses)} steps; the loss went from {first:.4g}{chance} to {last:.4g}"
        if not self._known:
            raise Failure(
                f"{what} not learned by heart {went}. Look at the learning rate (tune=lr), at the "
                "gradients (callbacks=[default,gradient_norms]), and whether the model is large enough"
            )
        if trainer.is_global_zero:
            Console().print(f"{what} learned by heart {went}", soft_wrap=True, highlight=False)
