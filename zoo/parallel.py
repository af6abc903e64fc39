"""Many processes that train one model: each has a part of every batch, and all have the mean gradient.

Lightning starts them (``trainer=ddp``), or torchrun, or Slurm. Here is what they must agree on, and what happens when
one of them dies.
"""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

import torch
import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning import LightningModule, Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.model_helpers import is_overridden
from omegaconf import DictConfig
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn import Module

from zoo.errors import Failure, UsageError

GRACE = 10  # seconds that processes are given to end by themselves
_questions = count()


@atexit.register
def leave() -> None:
    """End the threads of the process group before Python ends, which aborts a process where one of them still waits to
    free a tensor. Lightning does so for NCCL only."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; the only one, where there is one."""
    return getattr(rank_zero_only, "rank", 0) == 0


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


def check(trainer: Trainer, model: LightningModule) -> None:
    """Refuse a model whose weights nobody says how to share out."""
    if isinstance(trainer.strategy, ModelParallelStrategy) and not is_overridden("configure_model", model):
        raise UsageError(f"trainer=fsdp: {type(model).__name__} is not made to be shared out; take trainer=ddp")


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


def gathered(value: Any) -> list[Any]:
    """The values of all processes, in their order."""
    if not dist.is_initialized():
        return [value]
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def joint_mean(mean: Tensor, count: Tensor) -> Tensor:
    """A mean over the `count` numbers of this process, scaled: its mean over the processes is that of all numbers."""
    if not dist.is_initialized():
        return mean
    total = count.detach().to(mean.dtype).clone()
    dist.all_reduce(total)
    return mean * (count * dist.get_world_size() / total)


def dealt(count: int, batch_size: int, rank: int, replicas: int) -> list[list[int]]:
    """Examples 0 … count − 1 dealt out to processes: to each every example once, and to all equally many batches, as
    they may have to meet in every one of them."""
    if count < replicas:
        raise UsageError(f"trainer: {replicas} processes, but only {count} examples to share")
    mine = torch.arange(rank, count, replicas)
    largest = -(-count // replicas)
    batches = min(-(-largest // batch_size), count // replicas)
    return [part.tolist() for part in mine.tensor_split(batches)]


def share_out(model: LightningModule, blocks: Iterable[Module]) -> None:
    """What ``configure_model`` does: under `Sharded` the weights of each block are gathered when it is their turn, and
    the model's other weights when it begins."""
    if model._trainer is None or not isinstance(model.trainer.strategy, ModelParallelStrategy):
        return
    mesh = model.device_mesh
    if mesh is not None and not isinstance(model, FSDPModule):  # a test after training finds it shared out
        for module in (*blocks, model):
            fully_shard(module, mesh=mesh["data_parallel"])
        for step in ("training_step", "validation_step", "test_step"):  # they begin here, and not in forward
            register_fsdp_forward_method(model, step)


def keep_whole(model: LightningModule, whole: bool) -> None:
    """Gather the weights once and keep them: where processes may take different numbers of steps, as in decoding."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_reshard_after_forward(not whole, recurse=False)
            if not whole:
                module.reshard()


class Sharded(ModelParallelStrategy):
    """Fully sharded data parallel (FSDP2): of every weight each process keeps a part, and the whole only while needed.

    The model says in ``configure_model`` what is shared out. A checkpoint holds everything, in one file, as any other.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False, **options)

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
