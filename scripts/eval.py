"""Validate and test a checkpoint: python scripts/eval.py ckpt=… (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.training.cli import command, offer_checkpoint


def task(config: DictConfig) -> None:
    from zoo.tools.eval import evaluate

    evaluate(config)


if __name__ == "__main__":
    command(task, "eval", offer_checkpoint)
