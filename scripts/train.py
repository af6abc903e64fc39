"""Train a model: python scripts/train.py model=lenet impl=scratch (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.cli import command
from zoo.errors import installed


def task(config: DictConfig) -> None:
    if "sweep" in config:
        installed("optuna", "sweep=optuna")
        from zoo.sweep import search  # heavy imports only once the command line is understood

        search(config)
    else:
        from zoo.run import train

        train(config)


if __name__ == "__main__":
    command(task, "train")
