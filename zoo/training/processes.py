"""Many processes that train one model: each has a part of every batch, and all have the mean gradient.

Lightning starts them (``trainer=ddp``), or torchrun, or Slurm. Here is what they must agree on, and what happens when
one of them dies.
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

GRACE = 10  # seconds that processes are given to end by themselves


_questions = count()


def is_parallel(config: DictConfig) -> bool:
    return config.trainer.get("strategy", "auto") != "auto"


def agreed(folder: Path) -> Path:
    """The first process's folder, in all of them, though each makes up a name of its own."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun, which has a store for such things
        store, rank, _ = next(dist.rendezvous("env://"))
        key = f"folder {next(_questions)} {os.environ.get('TORCHELASTIC_RESTART_COUNT')}"
        if rank == 0:
            store.set(key, str(folder))
        return Path(store.get(key).decode())
    if SLURMEnvironment.detect():
        return folder.with_name(f"slurm-{os.environ['SLURM_JOB_ID']}")
    if "LOCAL_RANK" not in os.environ:  # this is the process that Lightning starts the others from
        os.environ["HANDGRAD_FOLDER"] = str(folder)
    return Path(os.environ.get("HANDGRAD_FOLDER", folder))


def run_apart(config: DictConfig) -> bool:
    """A job of a sweep that takes several processes: run it by a command of its own, and say so.

    Lightning starts the other processes with the words of the command line, and so each would begin the whole sweep.
    """
    if not (is_parallel(config) and HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN):
        return False
    refuse_many_jobs("-m")
    status = in_own_process(words_of_a_run())
    if status:
        sys.exit(status)
    return True


def refuse_many_jobs(word: str) -> None:
    """Tell that several jobs in one command do not go with processes that others have started."""
    if "RANK" in os.environ or SLURMEnvironment.detect():
        raise UsageError(f"{word} does not go with torchrun or srun: start one command for each job of the sweep")


def words_of_a_run() -> list[str]:
    """The words of the command line for one run of a sweep, without those that ask for the sweep."""
    return [word for word in HydraConfig.get().overrides.task if not word.lstrip("+~").startswith(("sweep=", "sweep."))]


def in_own_process(words: list[str], log: IO[str] | None = None) -> int:
    """Run this script with other words; its exit status. What it prints goes to `log`, if given. Ctrl-C is for that
    process, which saves and ends."""
    process = subprocess.Popen([sys.executable, sys.argv[0], *words], stdout=log, stderr=log)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def one_for_all(trainer: Trainer) -> Iterator[None]:
    """A process that dies ends the others too, with one line that says which and why, and no waiting."""
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not lost_contact(error):
            raise
        ended = [f"process {rank} {how(status)}" for rank, status in others(trainer) if status]
        raise Failure(
            f"{' and '.join(ended) or 'another process of this run ended'}; "
            f"process {trainer.global_rank} ends with it. "
            f"The last checkpoint is whole: ckpt_path=… goes on from it"
        ) from error


def lost_contact(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "peer" in str(error).lower()


def others(trainer: Trainer) -> Iterator[tuple[int, int]]:
    """Rank and status of the processes that this one has started; they end now, if need be by force."""
    for rank, process in enumerate(getattr(trainer.strategy.launcher, "procs", []), start=1):
        try:
            yield rank, process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
