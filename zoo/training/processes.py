"""Runs of several processes: they share one folder, and where one of them dies all end. And runs in their own process.

Lightning starts the processes (``trainer=ddp``), or torchrun, or Slurm. What they compute together is in
zoo/core/distributed.py.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning import Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig

from zoo.core.errors import Failure, UsageError

GRACE = 10  # seconds after which a process that has not ended is killed
_questions = count()  # numbers the keys in torchrun's store


def is_parallel(config: DictConfig) -> bool:
    """Whether the configured trainer runs in several processes."""
    return config.trainer.get("strategy", "auto") != "auto"


def agreed(config: DictConfig, folder: Path) -> Path:
    """The folder that the first process has chosen, in all processes of a run. Each passes a choice of its own."""
    if not is_parallel(config):
        return folder
    if "TORCHELASTIC_RUN_ID" in os.environ:  # started by torchrun, which has a store for all processes
        store, rank, _ = next(dist.rendezvous("env://"))
        key = f"folder {next(_questions)} {os.environ.get('TORCHELASTIC_RESTART_COUNT')}"
        if rank == 0:
            store.set(key, str(folder))
        return Path(store.get(key).decode())
    if SLURMEnvironment.detect():
        return folder.with_name(f"slurm-{os.environ['SLURM_JOB_ID']}")
    if "LOCAL_RANK" not in os.environ:  # the first process, from which Lightning starts the others
        os.environ["HANDGRAD_FOLDER"] = str(folder)
    return Path(os.environ.get("HANDGRAD_FOLDER", folder))


def run_apart(config: DictConfig) -> bool:
    """Run a job of a sweep (-m) that takes several processes by a command of its own; return whether this was one.

    Lightning starts the other processes with the words of the command line, so that each would begin the whole sweep.
    """
    if not (is_parallel(config) and HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN):
        return False
    refuse_many_jobs("-m")
    status = in_own_process(words_of_a_run())
    if status:
        sys.exit(status)
    return True


def refuse_many_jobs(word: str) -> None:
    """Raise UsageError for several jobs in one command, asked for by `word`, under torchrun or srun."""
    if "RANK" in os.environ or SLURMEnvironment.detect():
        raise UsageError(f"{word} does not go with torchrun or srun: start one command for each job of the sweep")


def words_of_a_run() -> list[str]:
    """The words of the command line for one run of a sweep: without those that ask for the sweep."""
    return [word for word in HydraConfig.get().overrides.task if not word.lstrip("+~").startswith(("sweep=", "sweep."))]


def in_own_process(words: list[str], log: IO[str] | None = None) -> int:
    """Run this script with other words, its output in `log` if given; return its exit status.

    On Ctrl-C this process waits until the other one has saved its state and ended.
    """
    process = subprocess.Popen([sys.executable, sys.argv[0], *words], stdout=log, stderr=log)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def one_for_all(trainer: Trainer) -> Iterator[None]:
    """Where another process dies, end this one at once, by a Failure that says which process died and how."""
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not lost_contact(error):
            raise
        ended = [f"process {rank} {how_it_ended(status)}" for rank, status in others(trainer) if status]
        raise Failure(
            f"{' and '.join(ended) or 'another process of this run ended'}; "
            f"process {trainer.global_rank} ends with it. "
            f"The last checkpoint is whole: ckpt_path=… goes on from it"
        ) from error


def lost_contact(error: RuntimeError) -> bool:
    """Whether the error says that another process cannot be reached."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "peer" in str(error).lower()


def others(trainer: Trainer) -> Iterator[tuple[int, int]]:
    """Rank and exit status of the processes that this one has started, which it kills if they do not end in time."""
    for rank, process in enumerate(getattr(trainer.strategy.launcher, "procs", []), start=1):
        try:
            yield rank, process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
