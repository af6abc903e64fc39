"""Compare an implementation with a reference: handgrad-verify model=lenet (--help lists the choices).

With the word `layers`, every layer is checked instead: handgrad-verify layers only=[Linear,Conv2d]
"""

import sys
from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    from zoo.tools.verify import verify

    if not verify(config):
        sys.exit(1)


def layers(config: "DictConfig") -> None:
    from zoo.tools.layer_table import layer_table

    if not layer_table(config):
        sys.exit(1)


def main() -> None:
    if sys.argv[1:2] == ["layers"]:
        del sys.argv[1]
        begin().command(layers, "layers")
    else:
        begin().command(task, "verify")
