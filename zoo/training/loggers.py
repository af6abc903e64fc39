"""Loggers that Lightning has not quite as they are wanted here, or whose packages are not everybody's."""

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
    """Lightning's, which deletes the metrics.csv of an earlier run in the same folder. Here its rows stay, if this run
    goes on from a checkpoint, up to that step: a run that was killed has later ones, which come again."""

    def __init__(self, *args: Any, checkpoint: str | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.path = Path(self.log_dir, "metrics.csv")
        rows = csv.DictReader(self.path.read_text().splitlines() if checkpoint and self.path.exists() else [])
        full = [row for row in rows if None not in row.values()]  # not half a row, at which a run was killed
        self.earlier = [{name: value for name, value in row.items() if value} for row in full]

    @property
    def experiment(self) -> Any:
        if self._experiment is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Experiment logs directory")  # that all in it gets lost
                self.begin_with(self.earlier)
        return super().experiment

    @rank_zero_only
    def begin_with(self, rows: list[dict[str, Any]]) -> None:
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
    installed("wandb", "logger=wandb")
    import_module("wandb").finish()  # of a sweep the run before, which is in the same process
    return WandbLogger(**options)


def mlflow(**options: Any) -> MLFlowLogger:
    installed("mlflow", "logger=mlflow")
    return MLFlowLogger(**options)
