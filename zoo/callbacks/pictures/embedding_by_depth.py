"""The test examples in the plane as each layer sees them, coloured by class: depth pulls the classes apart.

Of a deep graph network the last layers see all nodes as nearly the same: Li, Han and Wu, Deeper insights into graph
convolutional networks for semi-supervised learning (2018).
"""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import Module

from zoo.callbacks.pictures.nodes import in_the_plane
from zoo.core.errors import whole
from zoo.core.files import save_figure

COLUMNS = 4


def own_weights(module: Module) -> bool:
    """Whether a module maps its input by a matrix or kernel of its own."""
    return any(parameter.dim() > 1 for parameter in module.parameters(recurse=False))


def embedding_by_depth(depths: dict[str, Tensor], labels: Tensor, classes: tuple[str, ...]) -> Figure:
    """A panel for each layer, name -> outputs (n, d), in their first two principal components, coloured by class.

    The class is written at the median of its points.
    """
    columns, rows = min(len(depths), COLUMNS), -(-len(depths) // COLUMNS)
    figure = Figure(figsize=(3.4 * columns, 3.5 * rows), layout="constrained")
    for place, (name, outputs) in enumerate(depths.items()):
        points = in_the_plane(outputs.double())
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.scatter(
            points[:, 0], points[:, 1], c=labels % 10, s=9, cmap="tab10", vmin=0, vmax=9, alpha=0.65, linewidths=0
        )
        if len(classes) <= 10:
            for label in labels.unique().tolist():
                x, y = points[labels == label].median(0).values.tolist()
                box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
                axes.text(x, y, classes[label], ha="center", va="center", fontsize=8, weight="bold", bbox=box)
        axes.set_title(name, fontsize=10)
        axes.set(xticks=[], yticks=[])
    return figure


class EmbeddingByDepth(Callback):
    """Draw embedding_by_depth.png after a test, for models whose batches are pairs (input, class numbers (n,)).

    Taken are the outputs of every layer with weights of its own that has one row an example; for the nodes of a graph
    those of the nodes that are tested.
    """

    def __init__(self, examples: int = 500) -> None:
        whole("callbacks.embedding_by_depth.examples", examples, 3)
        self.examples = examples

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen: dict[str, list[Tensor]] = {}
        self._labels: list[Tensor] = []
        self._handles = [
            module.register_forward_hook(self._record(f"{name.removeprefix('network.')} {type(module).__name__}"))
            for name, module in pl_module.named_modules()
            if own_weights(module)
        ]

    def _record(self, name: str) -> Any:
        def record(module: Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() > 1:
                self._outputs[name] = output.detach().flatten(1).float().cpu()

        return record

    def on_test_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        self._outputs: dict[str, Tensor] = {}

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        input, labels = batch
        if labels.dim() != 1 or labels.is_floating_point() or sum(map(len, self._labels)) >= self.examples:
            return
        chosen = getattr(input, "chosen", None)
        for name, output in self._outputs.items():
            if chosen is not None and len(output) != len(labels):
                output = output[chosen.cpu()]
            if len(output) == len(labels):
                self._seen.setdefault(name, []).append(output)
        self._labels.append(labels.cpu())

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for handle in self._handles:
            handle.remove()
        if trainer.is_global_zero and self._seen:
            labels = torch.cat(self._labels)[: self.examples]
            depths = {name: torch.cat(parts)[: self.examples] for name, parts in self._seen.items()}
            figure = embedding_by_depth(depths, labels, trainer.datamodule.classes)  # type: ignore[attr-defined]
            save_figure(figure, Path(trainer.default_root_dir) / "pictures/embedding_by_depth.png")
