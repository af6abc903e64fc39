"""NaN and infinity: a run ends where they first appear, and leaves a file that shows it again.

    python -m zoo.tools.rerun runs/…/not_finite.pt

calls the same model on the same batch and prints the state of each layer's output.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import Module
from torch.nn.utils.rnn import PackedSequence

from zoo.callbacks.save_config import SaveConfig
from zoo.core.errors import Failure
from zoo.core.trust import named_class
from zoo.training.checkpoint import write_sealed


class Finite(Callback):
    """End the run where an input or the loss is NaN or infinite, before the weights are updated with it.

    Raises Failure, which names the batch and the first layer with such an output, and saves at `path` all that is
    needed to repeat the step: the batch, the weights, the state of the random numbers, and the configuration.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._batch, self._index, self._random = batch, batch_idx, torch.get_rng_state()
        if not all_finite(batch):
            self._end(trainer, pl_module, f"the input holds {nan_or_infinity(batch)}")

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            torch.set_rng_state(self._random)
            with torch.no_grad(), watched(pl_module) as outputs:
                pl_module.training_step(self._batch, self._index)
            self._end(trainer, pl_module, f"the loss is {nan_or_infinity(loss)}; {first_not_finite(outputs)}")

    def _end(self, trainer: Trainer, pl_module: LightningModule, what: str) -> None:
        path = Path(self.path)
        if trainer.global_rank:
            path = path.with_stem(f"{path.stem}_{trainer.global_rank}")
        saved: dict[str, Any] = {
            "hyper_parameters": dict(pl_module.hparams),
            "state_dict": pl_module.state_dict(),
            "batch": packed(self._batch),
            "batch_idx": self._index,
            "epoch": trainer.current_epoch,
            "random": self._random,
        }
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, SaveConfig):
                callback.on_save_checkpoint(trainer, pl_module, saved)
        write_sealed(path, saved)
        raise Failure(
            f"epoch {trainer.current_epoch}, batch {self._index}: {what}. "
            f"To see it again: python -m zoo.tools.rerun {path}"
        )


def floating_tensors(value: Any) -> Iterator[Tensor]:
    """All floating-point tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from floating_tensors(part)
    elif isinstance(value, dict):
        yield from floating_tensors(list(value.values()))


def stored_values(tensor: Tensor) -> Tensor:
    """The values that a tensor stores: all of them, or of a sparse one the non-zero ones."""
    return tensor if tensor.layout is torch.strided else tensor.detach().to_sparse_coo().coalesce().values()


def all_finite(value: Any) -> bool:
    """Whether no tensor in nested tuples, lists and dicts holds NaN or infinity."""
    return all(bool(torch.isfinite(stored_values(tensor)).all()) for tensor in floating_tensors(value))


def nan_or_infinity(value: Any) -> str:
    """The word for what is not finite in a value: "NaN" where there is any, else "infinity"."""
    nan = any(bool(torch.isnan(stored_values(tensor)).any()) for tensor in floating_tensors(value))
    return "NaN" if nan else "infinity"


class Outputs(list[tuple[str, Module, bool, str]]):
    """For each layer, in the order of the calls: its name, the layer, whether its inputs were finite, and "" or what
    its output holds, "NaN" or "infinity"."""


@contextmanager
def watched(model: Module) -> Iterator[Outputs]:
    """Record the `Outputs` of the innermost layers while the model is called."""
    outputs = Outputs()

    def record(name: str) -> Any:
        def hook(module: Module, inputs: Any, output: Any) -> None:
            outputs.append((name, module, all_finite(inputs), "" if all_finite(output) else nan_or_infinity(output)))

        return hook

    innermost = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(record(name)) for name, module in innermost]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def first_not_finite(outputs: Outputs) -> str:
    """The first layer whose output is not finite, and whether its weights, its input or neither are the cause."""
    for name, module, finite_input, what in outputs:
        if what:
            weights = [key for key, value in module.named_parameters() if not all_finite(value)]
            why = f"its {weights[0]} holds {nan_or_infinity(module.get_parameter(weights[0]))}" if weights else ""
            why = why or ("its input is finite" if finite_input else "its input is not finite")
            return f"first in the layer {name} ({type(module).__name__}), which gives {what}: {why}"
    return "every layer gives finite numbers"


# A batch as plain values, since torch.load(weights_only=True) reads no other classes.


def packed(value: Any) -> Any:
    """Nested tuples as lists, and named tuples (Nodes, Graphs, PackedSequence) as dicts of class name and fields."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        return {"kind": f"{kind.__module__}.{kind.__qualname__}", "fields": [packed(part) for part in value]}
    if isinstance(value, (tuple, list)):
        return [packed(part) for part in value]
    return value.detach().cpu() if isinstance(value, Tensor) else value


def unpacked(value: Any) -> Any:
    """The batch that `packed` was given."""
    if isinstance(value, dict):
        packed_sequence = value["kind"] == "torch.nn.utils.rnn.PackedSequence"
        kind = PackedSequence if packed_sequence else named_class("the batch", value["kind"], tuple)
        return kind(*map(unpacked, value["fields"]))
    return tuple(map(unpacked, value)) if isinstance(value, list) else value
