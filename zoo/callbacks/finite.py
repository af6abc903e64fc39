"""Watchmen of a run: data that cannot be learned from are told before it begins; NaN and infinity end it where they
first appear, with a file that shows it again.

    python -m zoo.guard runs/…/not_finite.pt

calls the same model on the same batch once more and prints what each layer gives.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import Module

from zoo.core.errors import Failure


def tensors(value: Any) -> Iterator[Tensor]:
    """All floating tensors in a nest of tuples, lists and dicts."""
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def finite(value: Any) -> bool:
    return all(bool(torch.isfinite(numbers(tensor)).all()) for tensor in tensors(value))


def numbers(tensor: Tensor) -> Tensor:
    """Those that a tensor has in memory; of a sparse one the non-zero ones."""
    return tensor if tensor.layout is torch.strided else tensor.detach().to_sparse_coo().coalesce().values()


def trouble(value: Any) -> str:
    return "NaN" if any(bool(torch.isnan(numbers(tensor)).any()) for tensor in tensors(value)) else "infinity"


class Finite(Callback):
    """End the run where an input or the loss is NaN or infinite, before the weights take it up.

    Names the batch and the first layer where it appeared, and keeps at `path` what it takes to see it again: the batch,
    the weights, the random state, the configuration.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._batch, self._index, self._random = batch, batch_idx, torch.get_rng_state()
        if not finite(batch):
            self._end(trainer, pl_module, f"the input holds {trouble(batch)}")

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            torch.set_rng_state(self._random)
            with torch.no_grad(), watched(pl_module) as seen:
                pl_module.training_step(self._batch, self._index)
            self._end(trainer, pl_module, f"the loss is {trouble(loss)}; {first(seen)}")

    def _end(self, trainer: Trainer, pl_module: LightningModule, what: str) -> None:
        path = Path(self.path)
        if trainer.global_rank:
            path = path.with_stem(f"{path.stem}_{trainer.global_rank}")
        kept: dict[str, Any] = {
            "hyper_parameters": dict(pl_module.hparams),
            "state_dict": pl_module.state_dict(),
            "batch": packed(self._batch),
            "batch_idx": self._index,
            "epoch": trainer.current_epoch,
            "random": self._random,
        }
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if type(callback).__name__ == "KeepConfig":
                callback.on_save_checkpoint(trainer, pl_module, kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, path)
        raise Failure(
            f"epoch {trainer.current_epoch}, batch {self._index}: {what}. To see it again: python -m zoo.guard {path}"
        )


class Seen(list[tuple[str, Module, bool, str]]):
    """For each layer in the order of the calls: its name, itself, whether its inputs were finite, and its trouble."""


@contextmanager
def watched(model: Module) -> Iterator[Seen]:
    """Note what each of the innermost layers gives while the model is called."""
    seen = Seen()

    def note(name: str) -> Any:
        def hook(module: Module, inputs: Any, output: Any) -> None:
            seen.append((name, module, finite(inputs), "" if finite(output) else trouble(output)))

        return hook

    innermost = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(note(name)) for name, module in innermost]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def first(seen: Seen) -> str:
    """The first layer with trouble, and whether it came with its weights or with its input."""
    for name, module, good_input, what in seen:
        if what:
            weights = [key for key, value in module.named_parameters() if not finite(value)]
            why = f"its {weights[0]} holds {trouble(module.get_parameter(weights[0]))}" if weights else ""
            why = why or ("its input is finite" if good_input else "its input is not finite")
            return f"first in the layer {name} ({type(module).__name__}), which gives {what}: {why}"
    return "every layer gives finite numbers"


def packed(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple: Nodes, Graphs, PackedSequence
        kind = type(value)
        return {"kind": f"{kind.__module__}.{kind.__qualname__}", "fields": [packed(part) for part in value]}
    if isinstance(value, (tuple, list)):
        return [packed(part) for part in value]
    return value.detach().cpu() if isinstance(value, Tensor) else value


def unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return get_object(value["kind"])(*map(unpacked, value["fields"]))
    return tuple(map(unpacked, value)) if isinstance(value, list) else value
