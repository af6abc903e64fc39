"""Pictures of what a classifier gets wrong: the confusion matrix, and the worst mistakes."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from zoo.core.distributed import gathered
from zoo.core.files import save_figure


def confusion_matrix(target: Tensor, predicted: Tensor, classes: tuple[str, ...]) -> Figure:
    """The counts for each true class (rows) and predicted class (columns), shaded by their share of the row.

    The counts of mistakes are printed in red.
    """
    counts = multiclass_confusion_matrix(predicted, target, len(classes))
    figure = Figure(figsize=(1.5 + 0.55 * len(classes), 1.5 + 0.5 * len(classes)), layout="constrained")
    axes = figure.add_subplot()
    share = counts / counts.sum(1, keepdim=True).clamp(min=1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in torch.cartesian_prod(torch.arange(len(classes)), torch.arange(len(classes))).tolist():
        if counts[row, column]:
            light, dark = ("white", "black") if row == column else ("lightsalmon", "crimson")
            colour = light if share[row, column] > 0.5 else dark
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=45 if max(map(len, classes)) > 2 else 0)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true", title=f"{int(counts.trace())} of {target.numel()} right")
    return figure


def worst_mistakes(
    pictures: Tensor, logits: Tensor, target: Tensor, classes: tuple[str, ...], most: int = 25
) -> Figure:
    """The `most` wrongly classified pictures (N, C, S, S) with the largest loss, the worst first.

    Above each stand the true and the predicted class, and the probability of the true one.
    """
    surprise = logits.logsumexp(1) - logits.gather(1, target[:, None])[:, 0]  # −log p(true class)
    wrong = (logits.argmax(1) != target).nonzero()[:, 0]
    shown = wrong[surprise[wrong].argsort(descending=True)][:most]
    columns = 5
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(1.6 * columns, 1.9 * rows + 0.5), layout="constrained")
    figure.suptitle(f"{len(wrong)} mistakes in {len(target)}" + (f", the worst {most}" if len(wrong) > most else ""))
    for place, index in enumerate(shown.tolist()):
        axes: Axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(pictures[index].mean(0), cmap="gray")
        said = int(logits[index].argmax())
        axes.set_title(
            f"{classes[target[index]]} → {classes[said]}\np(true) {surprise[index].neg().exp():.2f}", fontsize=9
        )
        axes.axis("off")
    return figure


class ClassifierPictures(Callback):
    """Draw confusion_matrix.png, and worst_mistakes.png where the inputs are images, after a test."""

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen: list[tuple[Tensor | None, Tensor, Tensor]] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        input, target = batch
        image = isinstance(input, Tensor) and input.dim() == 4
        self._seen.append((input.float().cpu() if image else None, outputs.float().cpu(), target.cpu()))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seen = [batch for part in gathered(self._seen) for batch in part]
        if not (trainer.is_global_zero and seen):
            return
        images, *others = zip(*seen, strict=True)
        logits, target = map(torch.cat, others)
        folder = Path(trainer.default_root_dir) / "pictures"
        classes: tuple[str, ...] = trainer.datamodule.classes  # type: ignore[attr-defined]
        save_figure(confusion_matrix(target, logits.argmax(1), classes), folder / "confusion_matrix.png")
        if images[0] is not None:
            save_figure(worst_mistakes(torch.cat(images), logits, target, classes), folder / "worst_mistakes.png")
        self._seen = []
