"""Train under many seeds: handgrad-seeds experiment=gcn_cora seeds=100 (--help lists the choices)."""

from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    from zoo.tools.seeds import train_seeds

    train_seeds(config)


def main() -> None:
    begin().command(task, "seeds")
