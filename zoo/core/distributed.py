"""Several processes that train one model: who is the first, and values and means over all of them.

Each process has a part of every batch, and all have the mean gradient. Lightning starts them (``trainer=ddp``), or
torchrun, or Slurm: see zoo/training/processes.py.
"""

import atexit
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from zoo.core.errors import UsageError


@atexit.register
def leave() -> None:
    """End the threads of the process group before Python ends.

    Python aborts a process in which one of them still waits to free a tensor. Lightning ends them for NCCL only.
    """
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the one that writes files and prints, which a single process always is."""
    return getattr(rank_zero_only, "rank", 0) == 0


def gathered(value: Any) -> list[Any]:
    """The values that all processes have given, in the order of the processes."""
    if not dist.is_initialized():
        return [value]
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def joint_mean(mean: Tensor, count: Tensor) -> Tensor:
    """Scale the mean of this process's `count` numbers so that averaging over processes gives the mean of all numbers.

    Data parallel training averages the gradients of the processes with equal weights, but their batches may hold
    different numbers of tokens:  mean · count · processes / (sum of all counts).
    """
    if not dist.is_initialized():
        return mean
    total = count.detach().to(mean.dtype).clone()
    dist.all_reduce(total)
    return mean * (count * dist.get_world_size() / total)


def dealt(count: int, batch_size: int, rank: int, replicas: int) -> list[list[int]]:
    """The batches of process `rank`, when examples 0 … count − 1 are dealt out to `replicas` processes.

    Every example goes to one process. All processes get equally many batches, since they may have to communicate in
    each.
    """
    if count < replicas:
        raise UsageError(f"trainer: {replicas} processes, but only {count} examples to share")
    mine = torch.arange(rank, count, replicas)
    largest = -(-count // replicas)
    batches = min(-(-largest // batch_size), count // replicas)
    return [part.tolist() for part in mine.tensor_split(batches)]
