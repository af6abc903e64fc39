"""Time an implementation against another: handgrad-benchmark (--help lists the choices)."""

import os
from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # silences torch's profiler, which measures the memory
    from zoo.tools.benchmark import benchmark

    benchmark(config)


def main() -> None:
    begin().command(task, "benchmark")
