"""Continue a text by a language model: handgrad-generate ckpt=… prompt="To be" (--help lists the choices)."""

import sys
from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    from zoo.tools.generate import write

    write(config)


def main() -> None:
    cli = begin()
    sys.argv[1:] = [cli.quoted(word, "prompt") for word in sys.argv[1:]]
    cli.command(task, "generate")
