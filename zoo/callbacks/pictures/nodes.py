"""The nodes of a graph in the plane, as the layers before the last see them at six moments of the training."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from zoo.core.files import save_figure


def in_the_plane(points: Tensor) -> Tensor:
    """Points (n, d) in two dimensions: their first two principal components, or themselves if d = 2."""
    if points.shape[1] == 2:
        return points
    centred = points - points.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].t()
    return torch.cat([plane, plane.new_zeros(len(plane), 2 - plane.shape[1])], 1)


def nodes_in_the_plane(stages: dict[int, Tensor], edges: Tensor, labels: Tensor, known: Tensor) -> Figure:
    """A panel for each stage of training, step -> vectors of the nodes (n, d): nodes coloured by class, known ones
    large.

    Up to 1 000 edges are drawn, too. Each axis, whose sign means nothing, points to where it did at the stage before.
    """
    figure = Figure(figsize=(4 * min(len(stages), 3), 4 * -(-len(stages) // 3)), layout="constrained")
    before = torch.zeros(len(labels), 2, dtype=torch.float64)
    for place, (step, points) in enumerate(sorted(stages.items())):
        plane = in_the_plane(points.double())
        before = torch.where((plane * before).sum(0) < 0, -plane, plane)
        x, y = before.t()
        axes = figure.add_subplot(-(-len(stages) // 3), min(len(stages), 3), place + 1)
        if edges.shape[1] <= 1000:
            axes.plot(x[edges], y[edges], color="lightgrey", linewidth=0.5, zorder=0)
        for chosen, size, line in ((~known, 20, 0.0), (known, 90, 1.5)):
            axes.scatter(x[chosen], y[chosen], c=labels[chosen], s=size if len(x) < 500 else size / 5, cmap="tab10",
                         vmin=0, vmax=10, edgecolors="black", linewidths=line)  # fmt: skip
        axes.set(title=f"step {step}", xticks=[], yticks=[])
    return figure


class NodesPicture(Callback):
    """Draw embedding.png when training ends, from six moments, most of them early, when the vectors move fastest."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stages: dict[int, Tensor] = {}
        last = trainer.max_epochs or 1
        self._epochs = {round(last**share) - 1 for share in (0.4, 0.6, 0.75, 0.9)}
        self._take(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch in self._epochs:
            self._take(trainer, pl_module)

    @torch.no_grad()
    def _take(self, trainer: Trainer, module: Any) -> None:
        graph = trainer.datamodule.graph  # type: ignore[attr-defined]
        parts = [
            None if part is None else part.to(module.device) for part in (graph.features, graph.edges, graph.kinds)
        ]
        training = module.training
        module.eval()
        self._stages[trainer.global_step] = module.encoder(*parts).cpu()
        module.train(training)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take(trainer, pl_module)
        if trainer.is_global_zero:
            graph = trainer.datamodule.graph  # type: ignore[attr-defined]
            figure = nodes_in_the_plane(self._stages, graph.edges, graph.labels, graph.splits["train"])
            save_figure(figure, Path(trainer.default_root_dir) / "pictures/embedding.png")
