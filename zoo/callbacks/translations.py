"""The translations of the test sentences, as a text file."""

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Translations(Callback):
    """Write translations.txt in a test: each sentence, its reference translation (=) and the model's own (>)."""

    def _path(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir) / "translations.txt"

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            self._path(trainer).write_text("")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if not trainer.is_global_zero:
            return
        model: Any = pl_module
        sources = [model.source_vocabulary.decode(ids) for ids in batch[0].tolist()]
        targets = [model.target_vocabulary.decode(ids) for ids in batch[1].tolist()]
        with self._path(trainer).open("a", encoding="utf-8") as file:
            for lines in zip(sources, targets, outputs, strict=True):
                file.write("{}\n= {}\n> {}\n\n".format(*lines))
