"""Train a model: handgrad-train model=lenet impl=scratch (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.core.errors import installed
from zoo.training.cli import command


def task(config: DictConfig) -> None:
    if "sweep" in config:
        installed("optuna", "sweep=optuna")
        from zoo.tools.sweep import search

        search(config)
    else:
        from zoo.training.run import train

        train(config)


def main() -> None:
    command(task, "train")
