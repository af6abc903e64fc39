"""Continue a text by a language model: handgrad-generate ckpt=… prompt="To be" (--help lists the choices)."""

import sys

from omegaconf import DictConfig

from zoo.training.cli import command, quoted


def task(config: DictConfig) -> None:
    from zoo.tools.generate import write

    write(config)


def main() -> None:
    sys.argv[1:] = [quoted(word, "prompt") for word in sys.argv[1:]]
    command(task, "generate")
