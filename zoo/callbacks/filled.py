"""What a model of masked words fills in, as a text file."""

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.text.vocabulary import PAD

WINDOWS, BEST = 20, 3  # windows in the file, and words beside each chosen one


class Filled(Callback):
    """Write filled.txt in a test: windows of the text with [chosen words], and below, for each of these, what stood in
    its place, "+" where it was found, and the likeliest words with their probabilities."""

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._left = WINDOWS
        if trainer.is_global_zero:
            self._path(trainer).write_text("")

    def _path(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir) / "filled.txt"

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if not (trainer.is_global_zero and self._left):
            return
        covered, chosen = (part[: self._left].cpu() for part in batch)
        self._left -= len(covered)
        probabilities = outputs[: len(covered)].detach().float().softmax(-1).cpu()
        model: Any = pl_module
        with self._path(trainer).open("a", encoding="utf-8") as file:
            for window in zip(covered, chosen, probabilities, strict=True):
                file.write(filled(model.vocabulary, *window))


def filled(vocabulary: Any, covered: Tensor, chosen: Tensor, probabilities: Tensor) -> str:
    """The lines of one window: words (T,), the chosen ones, PAD elsewhere, and probabilities (T, V + 1)."""
    mask = len(vocabulary)

    def word(number: int) -> str:
        return "MASK" if number == mask else vocabulary.tokens([number])[0].replace("▁", " ")

    pieces, lines = [], []
    for seen, right, chances in zip(covered.tolist(), chosen.tolist(), probabilities, strict=True):
        if right == PAD:
            pieces.append(word(seen))
            continue
        pieces.append(f" [{word(seen).strip()}]")
        best = [(number, float(chances[number])) for number in chances.topk(BEST).indices.tolist()]
        guesses = "   ".join(f"{word(number).strip()} {chance:.2f}" for number, chance in best)
        lines.append(f"  {'+' if best[0][0] == right else ' '} {word(right).strip():16}{guesses}")
    return "\n".join(["".join(pieces).strip(), *lines]) + "\n\n"
