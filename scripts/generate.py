"""Continue a text by a language model: python scripts/generate.py ckpt=… prompt="To be" (--help lists the choices)."""

import sys

from omegaconf import DictConfig

from zoo.training.cli import command, quoted


def task(config: DictConfig) -> None:
    from zoo.tools.generate import write

    write(config)


if __name__ == "__main__":
    sys.argv[1:] = [quoted(word, "prompt") for word in sys.argv[1:]]
    command(task, "generate")
