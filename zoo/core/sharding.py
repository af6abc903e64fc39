"""Fully sharded data parallel training (FSDP2): every process keeps a part of every weight."""

from collections.abc import Iterable
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn import Module

from zoo.core.errors import UsageError


def check_sharding(trainer: Trainer, model: LightningModule) -> None:
    """Refuse a model that does not say in ``configure_model`` how its weights are shared out."""
    if isinstance(trainer.strategy, ModelParallelStrategy) and not is_overridden("configure_model", model):
        raise UsageError(f"trainer=fsdp: {type(model).__name__} is not made to be shared out; take trainer=ddp")


def share_out(model: LightningModule, blocks: Iterable[Module]) -> None:
    """Share the weights of a model out to the processes, for its ``configure_model``; without `Sharded` do nothing.

    The weights of each block are gathered when the block is called, the model's other weights when a step begins.
    """
    if model._trainer is None or not isinstance(model.trainer.strategy, ModelParallelStrategy):
        return
    mesh = model.device_mesh
    if mesh is not None and not isinstance(model, FSDPModule):  # in the test after training it is shared out already
        for module in (*blocks, model):
            fully_shard(module, mesh=mesh["data_parallel"])
        for step in ("training_step", "validation_step", "test_step"):  # Lightning calls these, and not forward
            register_fsdp_forward_method(model, step)


def keep_whole(model: LightningModule, whole: bool) -> None:
    """Keep the weights gathered (`whole`), or share them out again.

    Decoding needs them whole: there the processes may take different numbers of steps, and cannot gather together.
    """
    if not isinstance(model, FSDPModule):  # nothing is shared out, and to walk through all modules takes a millisecond
        return
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_reshard_after_forward(not whole, recurse=False)
            if not whole:
                module.reshard()


class Sharded(ModelParallelStrategy):
    """Lightning's strategy for it, with one dimension: each process holds a whole weight only while it is needed.

    The model says in ``configure_model`` what is shared out (`share_out`). A checkpoint is one file with all weights.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False, **options)

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
