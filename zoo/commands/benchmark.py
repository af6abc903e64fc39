"""Time an implementation against another: handgrad-benchmark (--help lists the choices)."""

import os

from omegaconf import DictConfig

from zoo.training.cli import command


def task(config: DictConfig) -> None:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # silences torch's profiler, which measures the memory
    from zoo.tools.benchmark import benchmark

    benchmark(config)


def main() -> None:
    command(task, "benchmark")
