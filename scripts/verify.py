"""Compare an implementation with a reference: python scripts/verify.py model=lenet (--help lists the choices)."""

import sys

from omegaconf import DictConfig

from zoo.cli import command


def task(config: DictConfig) -> None:
    from zoo.verification import verify

    if not verify(config):
        sys.exit(1)


if __name__ == "__main__":
    command(task, "verify")
