"""tune=lr: the largest learning rate with which the loss settles.

The rates are tried from large to small, each for a few steps from the same initial weights. Where the loss explodes or
jumps about, the rate is too large. The first rate with which the loss falls and settles is suggested. A few smaller
ones are tried as well, so that the picture shows what they would have cost. The usual range test raises the rate during
one training until the loss explodes: Smith, Cyclical learning rates for training neural networks (2017).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.random_numbers import RandomNumbers
from zoo.core.errors import UsageError, at_least, whole
from zoo.core.files import save_figure
from zoo.training.build import instantiated


@dataclass
class Trial:
    """The losses of the steps with one learning rate."""

    rate: float
    losses: list[float]

    @property
    def settled(self) -> bool:
        """Whether the loss has fallen and is still falling or steady.

        The largest loss in the last quarter of the steps is below the first loss and the mean of the first quarter, and
        the mean of the last quarter at most 1.1 of that of the third.
        """
        quarter = max(1, len(self.losses) // 4)
        if not all(map(math.isfinite, self.losses)) or len(self.losses) < 4:
            return False
        begin, middle, end = self.losses[:quarter], self.losses[-2 * quarter : -quarter], self.losses[-quarter:]
        return max(end) < min(begin[0], sum(begin) / quarter) and sum(end) <= 1.1 * sum(middle)

    @property
    def final(self) -> float:
        """The mean loss of the last quarter of the steps."""
        quarter = max(1, len(self.losses) // 4)
        return sum(self.losses[-quarter:]) / quarter


class RangeTest(Callback):
    """Train for `steps` steps with each learning rate, from `largest` down by `factor`.

    Ends after the first rate with which the loss settles and `more` smaller ones, or at `smallest`.
    """

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
    """Two panels: the loss over the steps for each rate, and the final loss over the rate."""
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


def find_rate(config: DictConfig, model: Any, data: Any) -> dict[str, float]:
    """Search with these data and this model; draw pictures/learning_rate.png, print and return the rate."""
    test = RangeTest(**config.tuning)
    trainer: Trainer = instantiated(
        config.trainer,
        callbacks=[RandomNumbers(config.seed), test],
        logger=False,
        enable_checkpointing=False,
        max_epochs=-1,
        limit_val_batches=0,
    )
    model._scheduler = None  # `RangeTest` sets the rate
    model.configure_callbacks = list  # which draw pictures
    trainer.fit(model, data)
    path = Path(config.paths.run) / "pictures" / "learning_rate.png"
    save_figure(picture(test), path)
    if test.suggestion is None:
        raise UsageError(
            f"tune=lr: the loss settles with no learning rate from {test.largest:g} down to "
            f"{test.trials[-1].rate:.2g}; see {path}, and try tuning.steps={2 * test.steps}"
        )
    Console().print(f"The loss settles first with optimizer.lr={test.suggestion:.2g}; see {path}", soft_wrap=True)
    return {"lr": test.suggestion}
