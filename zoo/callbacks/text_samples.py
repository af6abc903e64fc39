"""Samples of what a language model writes, epoch by epoch."""

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from zoo.text.sampling import generate, opening

SAMPLE = 300  # characters in a sample


class TextSamples(Callback):
    """After every epoch let the model write a sample, and append it to samples.txt and the TensorBoard log."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        model: Any = pl_module
        training = model.training
        model.eval()
        text = "".join(generate(model, opening(model.alphabet), SAMPLE, temperature=0.8, seed=trainer.current_epoch))
        model.train(training)
        with (Path(trainer.default_root_dir) / "samples.txt").open("a", encoding="utf-8") as file:
            file.write(f"=== epoch {trainer.current_epoch}, step {trainer.global_step} ===\n{text}\n\n")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("sample", f"```\n{text}\n```", trainer.global_step)
