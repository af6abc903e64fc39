"""Loggers: Lightning's CSVLogger for runs that are resumed, and those whose packages are optional."""

import csv
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch import loggers
from lightning.pytorch.loggers import MLFlowLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from zoo.core.errors import installed


class CSVLogger(loggers.CSVLogger):
    """Lightning's CSVLogger, except that a run resumed in the same folder keeps the rows of metrics.csv.

    Lightning's deletes them. Rows after the checkpoint's step are dropped: a run that was killed has written some, and
    the resumed run measures them again.

    Args:
        checkpoint: the checkpoint that the run is resumed from, or None.
    """

    def __init__(self, *args: Any, checkpoint: str | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.path = Path(self.log_dir, "metrics.csv")
        rows = csv.DictReader(self.path.read_text().splitlines() if checkpoint and self.path.exists() else [])
        full = [
            row for row in rows if None not in row.values()
        ]  # without a last row that a killed run has half written
        self.earlier = [{name: value for name, value in row.items() if value} for row in full]

    @property
    def experiment(self) -> Any:
        if self._experiment is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Experiment logs directory")  # that it is overwritten
                self.begin_with(self.earlier)
        return super().experiment

    @rank_zero_only
    def begin_with(self, rows: list[dict[str, Any]]) -> None:
        """Write a new metrics.csv with these rows."""
        self.path.unlink(missing_ok=True)
        super().experiment.metrics = list(rows)
        self.save()

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        if self.earlier and step is not None:
            self.begin_with([row for row in self.earlier if int(row["step"]) < step])
            self.earlier = []
        super().log_metrics(metrics, step)


def wandb(**options: Any) -> WandbLogger:
    """Lightning's logger for Weights & Biases. Raises UsageError where the package is missing."""
    installed("wandb", "logger=wandb")
    import_module("wandb").finish()  # the run before, where a sweep has several in one process
    return WandbLogger(**options)


def mlflow(**options: Any) -> MLFlowLogger:
    """Lightning's logger for MLflow. Raises UsageError where the package is missing."""
    installed("mlflow", "logger=mlflow")
    return MLFlowLogger(**options)
