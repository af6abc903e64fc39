"""Compare an implementation with a reference: python scripts/verify.py model=lenet (--help lists the choices).

The word `layers` asks for the contract of every layer instead: python scripts/verify.py layers only=[Linear,Conv2d]
"""

import sys

from omegaconf import DictConfig

from zoo.training.cli import command


def task(config: DictConfig) -> None:
    from zoo.tools.verify import verify

    if not verify(config):
        sys.exit(1)


def layers(config: DictConfig) -> None:
    from zoo.tools.layer_table import contract

    if not contract(config):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["layers"]:
        del sys.argv[1]
        command(layers, "layers")
    else:
        command(task, "verify")
