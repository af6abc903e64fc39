"""TODO."""

import atexit
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from zoo.core.errors import UsageError


@atexit.register
def leave() -> None:
    """End the threads of the process group before Python ends, which aborts a process where one of them still waits to
    free a tensor. Lightning does so for NCCL only."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; the only one, where there is one."""
    return getattr(rank_zero_only, "rank", 0) == 0


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
