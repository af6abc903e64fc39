"""Export a checkpoint: python scripts/export.py ckpt=… (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.training.cli import command, offer_checkpoint


def task(config: DictConfig) -> None:
    from zoo.tools.export import export

    export(config)


if __name__ == "__main__":
    command(task, "export", offer_checkpoint)
