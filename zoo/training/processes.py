"""Runs of several processes: they share one folder, and where one of them dies all end. And runs in their own process.

Lightning starts the processes (``trainer=ddp``), or torchrun, or Slurm. What they compute together is in
zoo/core/distributed.py.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning import Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig, OmegaConf

from zoo.core import signals
from zoo.core.distributed import is_first
from zoo.core.errors import Failure, UsageError
from zoo.training.record import claimed

GRACE = 10  # seconds after which a process that has not ended is killed
_questions = count()  # numbers the keys in torchrun's store


def meet(config: DictConfig) -> None:
    """Say what would keep the processes from meeting at MASTER_ADDR and MASTER_PORT.

    Raises Failure where the first of them cannot listen there, or the name is unknown; prints a line where another one
    will have to wait. Not under torchrun, which listens there itself.
    """
    port = os.environ.get("MASTER_PORT")
    if not is_parallel(config) or port is None or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    host = os.environ.get("MASTER_ADDR", "127.0.0.1")
    try:
        socket.getaddrinfo(host, int(port))
    except (OSError, ValueError) as error:
        raise Failure(f"MASTER_ADDR={host} MASTER_PORT={port}: no such address: {error}") from error
    if is_first():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", int(port)))
            except OSError as error:
                raise Failure(
                    f"MASTER_PORT={port}: {error.strerror}; another program has it, so take another"
                ) from error
        with socket.socket() as probe, suppress(socket.gaierror):
            try:
                probe.bind((host, 0))
            except OSError:
                print(
                    f"MASTER_ADDR={host}: no address of this machine; waiting until it can be reached", file=sys.stderr
                )
    elif "HANDGRAD_FOLDER" not in os.environ:  # those that Lightning has started find the first one beside them
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            print(f"waiting for the first process at MASTER_ADDR={host} MASTER_PORT={port}", file=sys.stderr)


def is_parallel(config: DictConfig) -> bool:
    """Whether the configured trainer runs in several processes."""
    return config.trainer.get("strategy", "auto") != "auto"


@contextmanager
def folder_of_all(config: DictConfig) -> Iterator[Path]:
    """The run's folder, which the first process chooses and claims (`claimed`), in all processes of the run."""
    if not is_parallel(config):
        with claimed(config, checkpoint_of(config)) as folder:
            yield folder
        return
    store = None
    if "TORCHELASTIC_RUN_ID" in os.environ:  # started by torchrun, which has a store for all processes
        store, *_ = next(dist.rendezvous("env://"))
        question = f"folder {next(_questions)} {os.environ.get('TORCHELASTIC_RESTART_COUNT')}"
    elif SLURMEnvironment.detect() and OmegaConf.is_missing(config.paths, "run"):
        again = os.environ.get("SLURM_RESTART_COUNT", "0").replace("0", "")
        job = f"slurm-{os.environ['SLURM_JOB_ID']}" + f"_{again}" * bool(again)
        config.paths.run = str(Path(config.paths.runs) / config.name / job)
    if is_first():
        with claimed(config, checkpoint_of(config)) as folder:
            if store is not None:
                store.set(question, str(folder))
            os.environ["HANDGRAD_FOLDER"] = str(folder)  # for the processes that Lightning starts from this one
            yield folder
    elif store is not None:
        yield Path(store.get(question).decode())
    else:
        yield Path(os.environ.get("HANDGRAD_FOLDER", str(OmegaConf.select(config, "paths.run"))))


def checkpoint_of(config: DictConfig) -> Path | None:
    """The checkpoint from which the run goes on."""
    return Path(config.ckpt_path) if config.get("ckpt_path") else None


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

    When asked to end, this process passes that on, and waits until the other one has saved its state and ended.
    """
    process = subprocess.Popen([sys.executable, sys.argv[0], *words], stdout=log, stderr=log)

    def pass_on(number: int, frame: object) -> None:
        signals.note(number)
        if number != signal.SIGINT:  # which a terminal sends to both
            process.send_signal(number)

    before = signals.handle(pass_on)
    try:
        return process.wait()
    finally:
        signals.restore(before)


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
