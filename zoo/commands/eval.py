"""Validate and test a checkpoint: handgrad-eval ckpt=… (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.training.cli import command, offer_checkpoint


def task(config: DictConfig) -> None:
    from zoo.tools.eval import evaluate

    evaluate(config)


def main() -> None:
    command(task, "eval", offer_checkpoint)
