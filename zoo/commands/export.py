"""Export a checkpoint: handgrad-export ckpt=… (--help lists the choices)."""

from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    from zoo.tools.export import export

    export(config)


def main() -> None:
    cli = begin()
    cli.command(task, "export", cli.offer_checkpoint)
