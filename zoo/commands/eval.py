"""Validate and test a checkpoint: handgrad-eval ckpt=… (--help lists the choices)."""

from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    from zoo.tools.eval import evaluate

    evaluate(config)


def main() -> None:
    cli = begin()
    cli.command(task, "eval", cli.offer_checkpoint)
