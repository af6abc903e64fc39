"""What a run costs: parameters and memory before its first step, time and memory after its first steps."""

import copy
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STEPS, SECONDS = 10, 5.0  # how long is measured, after the first step, which is slower: until either has passed


class Cost(Callback):
    """Print two lines once in a run: parameters, and what a step keeps for the backward pass of a batch; and, from the
    first steps, the time of a step, an epoch and the run, the optimizer's state, and the peak of all memory.

    The forward pass of the first line is that of a copy that has the same parameters, with random numbers of its own:
    the run does not change.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started, self._steps, self._told = 0.0, -1, False
        weights = list(pl_module.parameters())
        line = f"{type(pl_module).__name__}: {grouped(sum(w.numel() for w in weights))} parameters"
        if trainer.world_size == 1:
            line += f" of {size(held(weights))}, their gradients as much"
            with suppress(Exception):  # where a copy makes no step, the run itself will say why, or make it
                line += f"; a batch keeps {size(kept_for_backward(trainer, pl_module))} for its backward pass"
        pl_module.print(line)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self._told:
            return
        now = time.perf_counter()
        self._steps += 1
        if self._steps == 0:
            self._started = now
            return
        if self._steps < STEPS and now - self._started < SECONDS:
            return
        self._told = True
        step, batches = (now - self._started) / self._steps, int(trainer.num_training_batches)
        epochs = trainer.max_epochs or 0
        line = f"A step takes {duration(step)}: {duration(step * batches)} an epoch"
        line += f", {duration(step * batches * epochs)} for {epochs}, besides validation" if epochs > 0 else ""
        state = [value for optimizer in trainer.optimizers for kept in optimizer.state.values() for value in each(kept)]
        pl_module.print(f"{line}; the optimizer keeps {size(held(state))}{peak(pl_module.device)}")


def kept_for_backward(trainer: Trainer, model: LightningModule) -> int:
    """The bytes that the forward pass of a training step on the first batch keeps for the backward pass, but for the
    parameters."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    there: Any = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    there.log = there.log_dict = lambda *_, **__: None
    own = {parameter.untyped_storage().data_ptr() for parameter in there.parameters()}
    kept: dict[int, Any] = {}  # the storages, held, so that each has an address of its own

    def keep(tensor: Tensor) -> None:
        if tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() not in own:  # not a graph
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()

    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad(), trainer.precision_plugin.train_step_context():
        batch = trainer.precision_plugin.convert_input(next(iter(data.train_dataloader())))
        batch = data.on_after_batch_transfer(model.transfer_batch_to_device(batch, model.device, 0), 0)
        with saved_tensors_hooks(keep, lambda nothing: nothing):
            loss = there.training_step(batch, 0)
    del loss
    return sum(storage.nbytes() for storage in kept.values())


def each(value: Any) -> Iterable[Tensor]:
    """The tensors in an optimizer's state of a parameter."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from each(part)


def held(tensors: Iterable[Tensor]) -> int:
    """The bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def peak(device: torch.device) -> str:
    """How much memory the tensors of a GPU, or on a CPU this process, took at most so far."""
    if device.type == "cuda":
        return f", all tensors took {size(torch.cuda.max_memory_allocated(device))} at most"
    if resource is None:
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", the process took {size(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)} at most"


def grouped(number: int) -> str:
    """61706 as 61 706."""
    return f"{number:,}".replace(",", " ")


def size(count: float) -> str:
    """A number of bytes, such as 241 KiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def duration(seconds: float) -> str:
    """A time, such as 12 ms, 3.4 s, 5.2 min or 1.1 h."""
    for unit, length in (("ms", 1e-3), ("s", 1.0), ("min", 60.0)):
        if seconds < {"ms": 1, "s": 100, "min": 5400}[unit]:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"
