"""Train under many seeds: handgrad-seeds experiment=gcn_cora seeds=100 (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.training.cli import command


def task(config: DictConfig) -> None:
    from zoo.tools.seeds import train_seeds

    train_seeds(config)


def main() -> None:
    command(task, "seeds")
