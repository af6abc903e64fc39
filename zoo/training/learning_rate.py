"""The learning-rate range test: which step size to begin with.

Large ones first. With each learning rate training begins anew from the same weights and makes a few steps; where the
loss explodes or jumps about, the rate was too large, and the next is smaller. The first with which the loss falls and
settles is the one to take; a few more are tried, to see in the picture what it would have cost to be too careful.
The other way round, rising until the loss explodes: Smith, Cyclical learning rates for training neural networks (2017).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from rich.console import Console

from zoo.callbacks.random_numbers import RandomNumbers
from zoo.core.errors import UsageError, at_least, whole
from zoo.core.files import save
from zoo.training.processes import is_parallel


@dataclass
class Trial:
    """The losses of the steps with one learning rate."""

    rate: float
    losses: list[float]

    @property
    def settled(self) -> bool:
        """Whether the loss has fallen, and its last steps are no higher, and no wilder, than those in the middle."""
        quarter = max(1, len(self.losses) // 4)
        if not all(map(math.isfinite, self.losses)) or len(self.losses) < 4:
            return False
        begin, middle, end = self.losses[:quarter], self.losses[-2 * quarter : -quarter], self.losses[-quarter:]
        return max(end) < min(begin[0], sum(begin) / quarter) and sum(end) <= 1.1 * sum(middle)

    @property
    def final(self) -> float:
        quarter = max(1, len(self.losses) // 4)
        return sum(self.losses[-quarter:]) / quarter


class RangeTest(Callback):
    """Training step by training step: `steps` with each learning rate, from `largest` down by `factor`, until the loss
    settles, and `more` after that, but never below `smallest`."""

    def __init__(self, largest: float, smallest: float, factor: float, steps: int, more: int = 3) -> None:
        at_least("tuning.smallest", smallest, 0)
        at_least("tuning.largest", largest, smallest)
        whole("tuning.steps", steps, 4)
        if not 0 < factor < 1:
            raise UsageError(f"tuning.factor={factor}: must be between 0 and 1")
        self.largest, self.smallest, self.factor, self.steps, self.more = largest, smallest, factor, steps, more
        self.trials: list[Trial] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._weights = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self._begin(trainer, pl_module, self.largest)

    def _begin(self, trainer: Trainer, pl_module: LightningModule, rate: float) -> None:
        pl_module.load_state_dict(self._weights)
        trainer.strategy.setup_optimizers(trainer)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate
        self.trials.append(Trial(rate, []))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        trial = self.trials[-1]
        trial.losses.append(float(outputs["loss"]))
        if len(trial.losses) < self.steps and math.isfinite(trial.losses[-1]):
            return
        since = [trial.settled for trial in self.trials]
        enough = True in since and len(since) - since.index(True) > self.more
        if enough or trial.rate * self.factor < self.smallest:
            trainer.should_stop = True
        else:
            self._begin(trainer, pl_module, trial.rate * self.factor)

    @property
    def suggestion(self) -> float | None:
        """The largest rate with which the loss settles."""
        return next((trial.rate for trial in self.trials if trial.settled), None)


def picture(test: RangeTest) -> Figure:
    """The loss of each step with each rate, and where it ends over the rate."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    steps, ends = figure.subplots(1, 2)
    for trial in test.trials:
        chosen = trial.rate == test.suggestion
        steps.plot(trial.losses, label=f"{trial.rate:.2g}", linewidth=3 if chosen else 1)
    highest = 3 * max(trial.losses[0] for trial in test.trials)
    steps.set(xlabel="step", title="training loss", ylim=(0, highest if math.isfinite(highest) else None))
    steps.legend(title="learning rate", fontsize=8)
    points = [(trial.rate, min(trial.final, highest)) for trial in test.trials if math.isfinite(trial.final)]
    if points:
        ends.plot(*zip(*points, strict=True), marker="o")
    if test.suggestion is not None:
        ends.axvline(test.suggestion, linestyle="--", color="gray")
    ends.set(xscale="log", xlabel="learning rate", title=f"loss after {test.steps} steps")
    return figure


def find_rate(config: Any, model: Any, data: Any, folder: Path) -> dict[str, float]:
    """Run the test on the configured trainer, draw it, and print the suggestion."""
    if is_parallel(config):
        raise UsageError("tune=lr: needs one process; take trainer=cpu or trainer=gpu")
    test = RangeTest(**config.tuning)
    trainer: Trainer = instantiate(
        config.trainer,
        callbacks=[RandomNumbers(config.seed), test],
        logger=False,
        enable_checkpointing=False,
        max_epochs=-1,
        limit_val_batches=0,
        _convert_="all",
    )
    model._scheduler = None  # the rate is set here
    trainer.fit(model, data)
    path = folder / "pictures" / "learning_rate.png"
    save(picture(test), path)
    if test.suggestion is None:
        raise UsageError(
            f"tune=lr: the loss settles with no learning rate from {test.largest:g} down to "
            f"{test.trials[-1].rate:.2g}; see {path}, and try tuning.steps={2 * test.steps}"
        )
    Console().print(f"The loss settles first with optimizer.lr={test.suggestion:.2g}; see {path}", soft_wrap=True)
    return {"lr": test.suggestion}
