"""Training, validation and test on a part of the data."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from zoo.core.errors import UsageError

PARTS = {"fit": ("train", "val"), "test": ("test",)}  # stage of the trainer: the parts of the data it reads


class Limit(Callback):
    """Use only a `fraction` of the batches of training, validation and test, at least one of each."""

    def __init__(self, fraction: float) -> None:
        if not 0 < fraction <= 1:
            raise UsageError(f"callbacks.limit.fraction={fraction}: must be above 0 and at most 1")
        self.fraction = fraction

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        for part in PARTS[stage]:
            batches = len(getattr(data, f"{part}_dataloader")())
            setattr(trainer, f"limit_{part}_batches", max(1, int(self.fraction * batches)))
