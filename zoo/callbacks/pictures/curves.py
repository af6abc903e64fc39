"""The learning curves, drawn from csv/metrics.csv."""

import csv
from collections import defaultdict
from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.core.files import save_figure

Curves = dict[str, list[tuple[float, float]]]  # name -> [(step, value), ...]


def read_metrics(path: Path) -> Curves:
    """The columns of a metrics.csv without their empty cells."""
    series = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    series[name].append((float(row["step"]), float(value)))
    return dict(series)


def panels(metrics: Curves) -> dict[str, Curves]:
    """For each quantity that was measured in training its curves "train" and "val", where there are any."""
    found: dict[str, Curves] = defaultdict(dict)
    for name, points in sorted(metrics.items()):
        stage, _, quantity = name.partition("/")
        if stage in ("train", "val") and not quantity.endswith("_step"):
            found[quantity.removesuffix("_epoch")][stage] = points
    return dict(sorted(found.items()))


def finish(axes: Axes, quantity: str) -> None:
    """Add labels and grid to a panel, and a logarithmic scale where it shows a loss that falls to less than half."""
    axes.set(xlabel="step", title=quantity)
    if quantity == "loss" and 0 < axes.dataLim.ymin < axes.dataLim.ymax / 2:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)


def learning_curves(metrics: Curves) -> Figure:
    """One panel for each quantity, such as the loss, with its curves in training and validation."""
    found = panels(metrics)
    figure = Figure(figsize=(5 * max(len(found), 1), 4), layout="constrained")
    for index, (quantity, curves) in enumerate(found.items()):
        axes = figure.add_subplot(1, len(found), index + 1)
        for stage, points in curves.items():
            label = {"train": "training", "val": "validation"}[stage]
            axes.plot(*zip(*points, strict=True), label=label, marker=".")
        finish(axes, quantity)
        axes.legend()
    return figure


class LearningCurves(Callback):
    """Draw learning_curves.png from metrics.csv when training ends."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = Path(trainer.default_root_dir) / "csv" / "metrics.csv"
        if trainer.is_global_zero and path.exists():
            save_figure(
                learning_curves(read_metrics(path)), Path(trainer.default_root_dir) / "pictures/learning_curves.png"
            )
