"""What every Lightning module of the zoo shares: its optimizer, and the schedule of the learning rate."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightning import LightningModule
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from zoo.core.errors import between


class Trainable(LightningModule):
    """A module that is given its optimizer and schedule from outside.

    Args:
        optimizer: called with the parameters, gives the optimizer; None: a module to predict with.
        scheduler: None or empty: the learning rate stays. Else a mapping with ``scheduler``, called with the
            optimizer; ``interval``, "step" or "epoch", how often it moves; ``length``, the name of its argument
            that takes the number of such moves in the whole run; ``monitor``, what a plateau is looked for in.
        penalty: ``l1`` and ``l2``, what Σ|w| and Σ w² cost, of all weights or with ``biases`` of all parameters.

    None is kept among the hyper-parameters of a checkpoint: a subclass gives these as ``**training`` and
    calls ``self.save_hyperparameters(ignore=list(training))``.
    """

    alternatives: tuple[type, ...] = ()  # models that stand in for this one where the data give other facts

    def __init__(
        self,
        optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        penalty: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._penalty = {"l1": 0.0, "l2": 0.0, "biases": False, **(penalty or {})}
        for name in ("l1", "l2"):
            between(f"penalty.{name}", self._penalty[name], 0, math.inf)
        self._optimizer, self._scheduler = optimizer, scheduler

    def log(self, *args: Any, **options: Any) -> None:
        """Of several processes the mean."""
        super().log(*args, **{**options, "sync_dist": True})

    def check(self, data: Any) -> None:
        """Raise UsageError for a data module that this model cannot be trained on. Called before the run begins."""

    def parameter_groups(self) -> Iterable[Any]:
        """What the optimizer is given: all parameters, or groups of them with options of their own."""
        return self.parameters()

    def new_optimizer(self) -> Optimizer:
        if self._optimizer is None:
            raise RuntimeError("this model was built without an optimizer, to predict and not to train")
        return self._optimizer(self.parameter_groups())

    def configure_optimizers(self) -> Any:
        optimizer = self.new_optimizer()
        if not self._scheduler:
            return optimizer
        options = dict(self._scheduler)
        build, length = options.pop("scheduler"), options.pop("length", None)
        whole_run = {length: self._moves(options.get("interval", "epoch"))} if length else {}
        return {"optimizer": optimizer, "lr_scheduler": {**options, "scheduler": build(optimizer, **whole_run)}}

    def penalty(self) -> Tensor | float:
        """What the weights cost, to be added to the loss of the data; 0 without a penalty."""
        l1, l2, biases = (self._penalty[name] for name in ("l1", "l2", "biases"))
        if not (l1 or l2):
            return 0.0
        named = self.named_parameters()
        weights = [w for name, w in named if biases or not name.rpartition(".")[2].startswith("bias")]
        return sum(l1 * w.abs().sum() + l2 * w.square().sum() for w in weights)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Keep the graph of the gradients for a rule that differentiates them once more (Newton's)."""
        again = getattr(self.optimizers(use_pl_optimizer=False), "second_order", False)
        super().backward(loss, *args, create_graph=again, **kwargs)

    def _moves(self, interval: str) -> int:
        """How often a schedule moves in the whole run; some number where there is no run yet to know it of."""
        if self._trainer is None:
            return 100
        return int(self.trainer.estimated_stepping_batches) if interval == "step" else int(self.trainer.max_epochs or 1)
