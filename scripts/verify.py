"""Compare an implementation with a reference: python scripts/verify.py model=lenet (--help lists the choices).

With the word `layers`, every layer is checked instead: python scripts/verify.py layers only=[Linear,Conv2d]
"""

import sys

from omegaconf import DictConfig

from zoo.training.cli import command


def task(config: DictConfig) -> None:
    from zoo.tools.verify import verify

    if not verify(config):
        sys.exit(1)


def layers(config: DictConfig) -> None:
    from zoo.tools.layer_table import layer_table

    if not layer_table(config):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["layers"]:
        del sys.argv[1]
        command(layers, "layers")
    else:
        command(task, "verify")
