"""Export a checkpoint: handgrad-export ckpt=… (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.training.cli import command, offer_checkpoint


def task(config: DictConfig) -> None:
    from zoo.tools.export import export

    export(config)


def main() -> None:
    command(task, "export", offer_checkpoint)
