"""The base class of all models: its optimizer, the schedule of the learning rate, and a penalty on the weights."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightning import LightningModule
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from zoo.core.errors import between, one_of


class Trainable(LightningModule):
    """A LightningModule that is given its optimizer and schedule from outside.

    Args:
        optimizer: a function of the parameters that returns the optimizer; None for a model that is not trained.
        scheduler: None or empty for a constant learning rate. Else a mapping with ``scheduler``, a function of the
            optimizer; ``interval``, "step" or "epoch", how often the schedule moves; ``length``, the name of its
            argument for the number of moves in the whole run; ``monitor``, the quantity that a plateau is looked
            for in.
        penalty: ``l1`` and ``l2``, the factors of Σ|w| and Σ w² over all weights, or with ``biases`` over all
            parameters.

    These three are no hyper-parameters and not stored in a checkpoint: a subclass takes them as ``**training`` and
    calls ``self.save_hyperparameters(ignore=list(training))``.
    """

    alternatives: tuple[type, ...] = ()  # models that take its place where the data have other facts

    def __init__(
        self,
        optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        penalty: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._penalty = {"l1": 0.0, "l2": 0.0, "biases": False, **(penalty or {})}
        for name in self._penalty:
            one_of("penalty", name, ("l1", "l2", "biases"))
        for name in ("l1", "l2"):
            between(f"penalty.{name}", self._penalty[name], 0, math.inf)
        self._optimizer, self._scheduler = optimizer, scheduler

    def log(self, *args: Any, **options: Any) -> None:
        """Log as Lightning does, the mean over all processes."""
        super().log(*args, **{**options, "sync_dist": True})

    def check(self, data: Any) -> None:
        """Raise UsageError for a data module that this model cannot be trained on. Called before the run begins."""

    def parameter_groups(self) -> Iterable[Any]:
        """The parameters for the optimizer: all of them, or groups with options of their own."""
        return self.parameters()

    def new_optimizer(self) -> Optimizer:
        """A new optimizer of the model's parameters."""
        if self._optimizer is None:
            raise RuntimeError("this model was built without an optimizer, to predict and not to train")
        return self._optimizer(self.parameter_groups())

    def change_optimizer(self, optimizer: Callable[[Iterable[Parameter]], Optimizer]) -> None:
        """Take this function for all optimizers to come."""
        self._optimizer = optimizer

    def configure_optimizers(self) -> Any:
        optimizer = self.new_optimizer()
        if not self._scheduler:
            return optimizer
        options = dict(self._scheduler)
        build, length = options.pop("scheduler"), options.pop("length", None)
        whole_run = {length: self._moves(options.get("interval", "epoch"))} if length else {}
        return {"optimizer": optimizer, "lr_scheduler": {**options, "scheduler": build(optimizer, **whole_run)}}

    def penalty(self) -> Tensor | float:
        """The penalty on the weights, to be added to the loss of the data; 0 without one."""
        l1, l2, biases = (self._penalty[name] for name in ("l1", "l2", "biases"))
        if not (l1 or l2):
            return 0.0
        named = self.named_parameters()
        weights = [w for name, w in named if biases or not name.rpartition(".")[2].startswith("bias")]
        return sum(l1 * w.abs().sum() + l2 * w.square().sum() for w in weights)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Backpropagate; keep the graph of the gradients for an optimizer that differentiates them again (Newton)."""
        again = getattr(self.optimizers(use_pl_optimizer=False), "second_order", False)
        super().backward(loss, *args, create_graph=again, **kwargs)

    def _moves(self, interval: str) -> int:
        """The number of moves of a schedule in the whole run; 100 while there is no trainer, to try a schedule out.

        Lightning's estimated_stepping_batches would build the loader too early, before its state is restored.
        """
        trainer: Any = self._trainer
        if trainer is None:
            return 100
        epochs, limit = trainer.max_epochs, trainer.limit_train_batches
        if interval == "epoch":
            return epochs or 1
        batches = len(trainer.datamodule.train_dataloader())
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps = max(1, math.ceil(batches / trainer.accumulate_grad_batches)) * (epochs or 1)
        return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)
