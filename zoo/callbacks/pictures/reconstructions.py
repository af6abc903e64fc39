"""Pictures beside what an autoencoder makes of them."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from zoo.core.files import save_figure

COLUMNS, PAIRS = 10, 3  # pictures in a row, and rows of pairs


def reconstructions(pictures: Tensor, made: Tensor, title: str) -> Figure:
    """Rows of pictures (N, C, S, S), each picture above its reconstruction, in the same shades of grey."""
    rows = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(0.75 * COLUMNS, 1.6 * rows + 0.5))
    figure.suptitle(title)
    top = 1 - 0.45 / figure.get_figheight()
    outer = figure.add_gridspec(rows, 1, left=0.15, right=0.99, bottom=0.02, top=top, hspace=0.12)
    for row in range(rows):
        inner = outer[row].subgridspec(2, COLUMNS, hspace=0.04, wspace=0.04)
        for place, (name, images) in enumerate((("picture", pictures), ("reconstruction", made))):
            for column, index in enumerate(range(row * COLUMNS, min(len(pictures), (row + 1) * COLUMNS))):
                axes = figure.add_subplot(inner[place, column])
                low, high = float(pictures[index].min()), float(pictures[index].max())
                axes.imshow(images[index].mean(0), cmap="gray", vmin=low, vmax=high)
                axes.set(xticks=[], yticks=[])
                if column == 0:
                    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


class ReconstructionPicture(Callback):
    """Draw reconstructions.png after a test: the first test pictures of each class in turn, and their reconstructions.

    The model maps pictures to pictures, and the batches are pairs (pictures, class numbers).
    """

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen: list[tuple[Tensor, Tensor]] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if trainer.is_global_zero and sum(len(labels) for _, labels in self._seen) < 20 * COLUMNS:
            self._seen.append((batch[0].cpu(), batch[1].cpu()))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (trainer.is_global_zero and self._seen):
            return
        pictures, labels = map(torch.cat, zip(*self._seen, strict=True))
        ranks = torch.stack(
            [(labels[: i + 1] == label).sum() for i, label in enumerate(labels)]
        )  # 1st, 2nd … of a class
        order = (ranks * (int(labels.max()) + 1) + labels).argsort()[: COLUMNS * PAIRS]
        with torch.no_grad():
            made = pl_module(pictures[order].to(pl_module.device)).float().cpu()
        error = (made - pictures[order]).square().mean()
        title = f"{pictures[0].numel()} pixels → {pl_module.hparams['code']} numbers → {pictures[0].numel()} pixels"
        figure = reconstructions(pictures[order], made, f"{title}, squared error {error:.3f}")
        save_figure(figure, Path(trainer.default_root_dir) / "pictures/reconstructions.png")
