"""What lies between the codes of an autoencoder, and what those that it was never given decode to."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from zoo.core.files import save_figure

STEPS = 11  # pictures from one end of a walk to the other
ROWS, COLUMNS = 8, 12  # of pictures that are drawn from nothing


def grid_of_pictures(pictures: Tensor, title: str, labels: list[str] | None = None) -> Figure:
    """Pictures (rows, columns, C, S, S) side by side, black for 0 and white for 1, or for their least and largest pixel
    where these lie further out; `labels` stand to the left of the rows."""
    rows, columns, _, side, _ = pictures.shape
    low, high = min(0.0, float(pictures.min())), max(1.0, float(pictures.max()))
    figure = Figure(figsize=(0.55 * columns + 0.9, 0.55 * rows + 0.5))
    left, top = 0.9 / figure.get_figwidth() if labels else 0.01, 1 - 0.4 / figure.get_figheight()
    figure.suptitle(title, fontsize=10)
    axes = figure.add_axes((left, 0.01, 0.99 - left, top - 0.01))
    gap = max(1, side // 10)
    wall = torch.full((rows, columns, side + gap, side + gap), high)
    wall[:, :, :side, :side] = pictures.float().mean(2)
    wall = wall.transpose(1, 2).reshape(rows * (side + gap), columns * (side + gap))[:-gap, :-gap]
    axes.imshow(wall, cmap="gray", vmin=low, vmax=high, aspect="equal", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.axis("on" if labels else "off")
    if labels:
        axes.set_yticks([row * (side + gap) + side / 2 for row in range(rows)], labels, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


class LatentWalk(Callback):
    """Draw latent_walk.png after a test: in equal steps from the code of a picture of one class to that of the next.

    Each code on the way, (1 − s) z + s z', is decoded by the model's ``decode``; ``encode`` gives the ends.
    """

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first: dict[int, Tensor] = {}  # class -> the first test picture of it

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        for picture, label in zip(batch[0], batch[1].tolist(), strict=True):
            self._first.setdefault(label, picture)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (trainer.is_global_zero and len(self._first) > 1):
            return
        model: Any = pl_module
        classes: tuple[str, ...] = trainer.datamodule.classes  # type: ignore[attr-defined]
        labels = sorted(self._first)
        following = [*labels[1:], labels[0]]
        with torch.no_grad():
            z = model.encode(torch.stack([self._first[label] for label in labels]))
            s = torch.linspace(0, 1, STEPS, device=z.device, dtype=z.dtype)[:, None]
            path = (1 - s) * z[:, None] + s * z.roll(-1, 0)[:, None]
            pictures = model.decode(path.flatten(0, 1)).unflatten(0, path.shape[:2]).cpu()
        names = [f"{classes[here]} → {classes[there]}" for here, there in zip(labels, following, strict=True)]
        figure = grid_of_pictures(pictures, "from the code of one picture to that of another", names)
        save_figure(figure, Path(trainer.default_root_dir) / "pictures/latent_walk.png")


class PriorSamples(Callback):
    """Draw samples.png after a test: what the model decodes from codes z ~ N(0, 1)."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        model: Any = pl_module
        z = torch.randn(ROWS * COLUMNS, model.hparams["code"], generator=torch.Generator().manual_seed(0))
        weight = next(model.parameters())
        with torch.no_grad():
            pictures = model.decode(z.to(weight)).unflatten(0, (ROWS, COLUMNS)).cpu()
        save_figure(
            grid_of_pictures(pictures, "decoded from random codes"),
            Path(trainer.default_root_dir) / "pictures/samples.png",
        )
