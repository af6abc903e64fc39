"""A check of the training data before the first step."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console

from zoo.callbacks.finite import all_finite, floating_tensors, nan_or_infinity, stored_values
from zoo.core.errors import UsageError

SCALE = 1e-3, 1e3  # the usual range of the inputs' mean square


class DataCheck(Callback):
    """Check the first training batches, as the model will see them, before the first step.

    Raises UsageError for NaN, infinity, and class numbers out of range. Prints a warning for inputs of unusual scale,
    and for training data sorted by class.
    """

    def __init__(self, batches: int = 4) -> None:
        self.batches = batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        state = torch.get_rng_state()
        for line in checked(self._look(data, pl_module), pl_module.hparams.get("num_classes")):
            if trainer.is_global_zero:
                Console().print(f"data: {line}", highlight=False, soft_wrap=True)
        torch.set_rng_state(state)

    def _look(self, data: Any, pl_module: LightningModule) -> Iterator[Any]:
        for _, batch in zip(range(self.batches), data.train_dataloader(), strict=False):
            yield data.on_after_batch_transfer(pl_module.transfer_batch_to_device(batch, pl_module.device, 0), 0)


def checked(batches: Iterator[Any], num_classes: int | None) -> list[str]:
    """Raise UsageError for batches that cannot be learned from; return warnings about unusual ones, a line each."""
    squares, count, labels = 0.0, 0, []
    for index, (input, target) in enumerate(batches):
        for what, value in (("input", input), ("target", target)):
            if not all_finite(value):
                raise UsageError(f"data: the {what} of training batch {index} holds {nan_or_infinity(value)}")
        for tensor in floating_tensors(input):
            squares, count = squares + float(stored_values(tensor).double().square().sum()), count + tensor.numel()
        if num_classes is not None and not target.is_floating_point():
            wrong = target[(target < 0) | (target >= num_classes)]
            if len(wrong):
                raise UsageError(f"data: label {int(wrong[0])} out of range; legal are 0 to {num_classes - 1}")
            labels.append(target.flatten())
    odd = []
    if count and not SCALE[0] <= squares / count <= SCALE[1]:
        odd.append(f"the inputs' mean square is {squares / count:.2g}; normalise them to about 1")
    together = torch.cat(labels) if labels else torch.empty(0)
    if len(together) >= 20 and (together.diff() >= 0).all():
        only = "all of one class" if together[0] == together[-1] else "sorted by class"
        odd.append(f"the first {len(together)} training examples are {only}; shuffle them")
    return odd
