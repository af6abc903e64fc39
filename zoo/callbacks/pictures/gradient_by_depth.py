"""The gradient of each layer's weights, from the first layer to the last: it vanishes on its way back, or arrives.

∂loss/∂Wₖ holds the product of the Jacobians of all layers after the k-th, as zoo/callbacks/pictures/gradient.py has it
for the steps of a sequence.
Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), figure 7.
"""

from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch.nn import Module
from torch.optim import Optimizer

from zoo.callbacks.gradient_norms import norm
from zoo.core.files import save_figure


def norms_by_depth(model: Module) -> dict[str, float]:
    """‖∂loss/∂W‖ / √n of every matrix or kernel W of n numbers that has a gradient, by the names of the layers."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.dim() > 1:
            layer, _, last = name.rpartition(".")
            found[layer if last == "weight" else name] = float(norm(parameter.grad)) / parameter.numel() ** 0.5
    return found


def gradient_by_depth(stages: dict[int, dict[str, float]], kinds: dict[str, str]) -> Figure:
    """A curve over the layers for each moment of training, step -> norms by layer; `kinds` are the layers' classes."""
    names = list(next(iter(stages.values())))
    figure = Figure(figsize=(max(6.0, 1.5 + 0.35 * len(names)), 4.4), layout="constrained")
    axes = figure.add_subplot()
    colours = colormaps["viridis"]
    for index, (step, norms) in enumerate(sorted(stages.items())):
        values = torch.tensor([norms.get(name, 0.0) for name in names])
        values[values == 0] = torch.nan  # which have no place on a logarithmic axis
        colour = colours(0.92 * index / max(len(stages) - 1, 1))
        axes.plot(range(len(names)), values, "o-", color=colour, ms=4, lw=1.6, label=f"step {step}")
    labels = [f"{name.removeprefix('network.')} {kinds.get(name, '')}".strip() for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set(yscale="log", title="root mean square of ∂loss / ∂W, from the first layer to the last")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return figure


class GradientByDepth(Callback):
    """Draw gradient_by_depth.png when training ends: at the first step of the first, the last and other epochs."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stages: dict[int, dict[str, float]] = {}
        last = (trainer.max_epochs or 1) - 1
        self._epochs = {round(last * share) for share in (0, 0.1, 0.3, 1)}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if trainer.current_epoch in self._epochs:
            self._epochs.remove(trainer.current_epoch)
            self._stages[trainer.global_step] = norms_by_depth(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        stages = {step: norms for step, norms in self._stages.items() if norms}
        if trainer.is_global_zero and stages:
            kinds = {name: type(module).__name__ for name, module in pl_module.named_modules()}
            path = Path(trainer.default_root_dir) / "pictures/gradient_by_depth.png"
            save_figure(gradient_by_depth(stages, kinds), path)
