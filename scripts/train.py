"""Train a model: python scripts/train.py model=lenet impl=scratch (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.cli import command


def task(config: DictConfig) -> None:
    from zoo.run import train  # heavy imports only once the command line is understood

    train(config)


if __name__ == "__main__":
    command(task, "train")
