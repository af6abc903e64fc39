"""TODO."""

from collections.abc import Iterable
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn import Module

from zoo.core.errors import UsageError


def check_sharding(trainer: Trainer, model: LightningModule) -> None:
    """Refuse a model whose weights nobody says how to share out."""
    if isinstance(trainer.strategy, ModelParallelStrategy) and not is_overridden("configure_model", model):
        raise UsageError(f"trainer=fsdp: {type(model).__name__} is not made to be shared out; take trainer=ddp")


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
