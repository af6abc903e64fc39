"""The gradient of the loss by each step of a sequence: it vanishes, explodes, or arrives.

The loss at the end of a sequence depends on its step t through T − t applications of the same layer, and ∂loss/∂xₜ is a
product of as many Jacobians. Where their norms stay below 1 it decays exponentially, and the layer cannot learn from
step t; where they stay above 1 it explodes.
Source: Bengio, Simard and Frasconi, Learning long-term dependencies with gradient descent is difficult (1994).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from zoo.core.files import save_figure


def gradient_norms(input: Tensor | PackedSequence, loss: Callable[[Any], Tensor]) -> Tensor:
    """‖∂loss/∂xₜ‖ for t = 1 … T, (T,), averaged over the sequences of the input (N, T, F) that have a step t."""
    data = input.data if isinstance(input, PackedSequence) else input
    data = data.detach().requires_grad_()
    input = input._replace(data=data) if isinstance(input, PackedSequence) else data
    (gradient,) = torch.autograd.grad(loss(input), data)
    norms = gradient.float().norm(dim=-1)
    if isinstance(input, PackedSequence):
        norms, _ = pad_packed_sequence(input._replace(data=norms), batch_first=True, padding_value=float("nan"))
    return norms.nanmean(0)


def gradient_per_step(stages: dict[int, Tensor]) -> Figure:
    """A curve over the steps of the sequence for each moment of training, step of the training -> norms (T,)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for index, (step, norms) in enumerate(sorted(stages.items())):
        shade = index / max(len(stages) - 1, 1)
        axes.plot(
            range(1, len(norms) + 1), norms.tolist(), color=(0.8 * shade, 0.2, 0.8 * (1 - shade)), label=f"step {step}"
        )
    axes.set(xlabel="t", title="‖∂loss / ∂xₜ‖", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


class GradientPicture(Callback):
    """Draw gradient_per_step.png when training ends: the norms at the beginning of the first, the last and other
    epochs.

    The model computes them in ``gradient_per_step(batch) -> (T,)``.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stages: dict[int, Tensor] = {}
        last = (trainer.max_epochs or 1) - 1
        self._epochs = {round(last * share) for share in (0, 0.03, 0.1, 0.3, 1)}

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and trainer.current_epoch in self._epochs and trainer.is_global_zero:
            # with random numbers of its own (dropout), so that the training is not changed
            with torch.random.fork_rng(devices=[pl_module.device] if pl_module.device.type == "cuda" else []):
                self._stages[trainer.global_step] = pl_module.gradient_per_step(batch).cpu()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and self._stages:
            path = Path(trainer.default_root_dir) / "pictures/gradient_per_step.png"
            save_figure(gradient_per_step(self._stages), path)
