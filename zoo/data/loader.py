"""Batches from tensors in memory, in an order that can be resumed at any batch."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.distributed import DistributedSampler

from zoo.core.distributed import dealt
from zoo.core.errors import UsageError
from zoo.core.seeding import mix


class Tensors(Dataset):
    """Tensors of equal length, read a whole batch at a time: one index operation for a batch, not one an example."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        chosen = torch.tensor(indices)
        return tuple(tensor[chosen] for tensor in self.tensors)


def as_it_is(batch: Any) -> Any:
    """The collate function for datasets that give whole batches."""
    return batch


class Loader(DataLoader):
    """A DataLoader that can be resumed: interrupted after batch k of an epoch, it continues with batch k + 1.

    The order of epoch e depends on the seed and e alone (``DistributedSampler``, also for one process), and no global
    random numbers are drawn. Lightning stores the ``state_dict`` in every checkpoint.

    Args:
        batch_size: examples in a batch of each process; None where the sampler gives the indices of whole batches.
        sampler: a class in place of ``DistributedSampler``, with the same arguments.

    In several processes each example goes to one of them. In training some examples come twice, where their number is
    not a multiple of the number of processes; in validation and test each comes once.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None,
        shuffle: bool = False,
        seed: int = 0,
        sampler: Callable[..., Sampler] = DistributedSampler,
    ) -> None:
        rank, replicas = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        order: dict[str, Any] = {"batch_size": batch_size}
        if replicas > 1 and not shuffle and batch_size is not None:
            order = {"batch_sampler": dealt(len(dataset), batch_size, rank, replicas)}  # type: ignore[arg-type]
        else:
            order["sampler"] = sampler(dataset, replicas, rank, shuffle=shuffle, seed=mix(seed))
        super().__init__(dataset, **order, collate_fn=as_it_is, generator=torch.Generator())
        self.replicas = replicas
        self._given = 0  # batches of this epoch so far
        self._skip = 0  # batches to skip when the next epoch begins

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._given, self._skip = self._skip, 0
        for batch in islice(super().__iter__(), self._given, None):
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"given": self._given, "replicas": self.replicas}

    def load_state_dict(self, state: dict[str, int]) -> None:
        before = state.get("replicas", 1)
        if state["given"] and before != self.replicas:
            raise UsageError(f"ckpt_path: of the middle of an epoch with {before} processes; here are {self.replicas}")
        self._skip = state["given"]
