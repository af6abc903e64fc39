"""Loggers whose packages are not everybody's."""

from importlib import import_module
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger, WandbLogger

from zoo.errors import installed


def wandb(**options: Any) -> WandbLogger:
    installed("wandb", "logger=wandb")
    import_module("wandb").finish()  # of a sweep the run before, which is in the same process
    return WandbLogger(**options)


def mlflow(**options: Any) -> MLFlowLogger:
    installed("mlflow", "logger=mlflow")
    return MLFlowLogger(**options)
