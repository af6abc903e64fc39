"""Train a model: handgrad-train model=lenet impl=scratch (--help lists the choices)."""

from typing import TYPE_CHECKING

from zoo.commands import begin
from zoo.core.errors import installed

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    if "sweep" in config:
        installed("optuna", "sweep=optuna")
        from zoo.tools.sweep import search

        search(config)
    else:
        from zoo.training.run import train

        train(config)


def main() -> None:
    begin().command(task, "train")
