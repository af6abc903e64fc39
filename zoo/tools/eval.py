"""A checkpoint once more: its data, its model, validation and test, and the table that ended its training."""

import warnings
from pathlib import Path

from lightning import seed_everything
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.progress import progress
from zoo.core.distributed import is_first
from zoo.training import processes, record
from zoo.training.as_trained import rebuilt
from zoo.training.build import build_trainer
from zoo.training.report import report
from zoo.training.run import quieten


def evaluate(config: DictConfig) -> dict[str, float]:
    """Validate and test; return the metrics and print them. Writes them, and the pictures of the test, to the folder
    config.to, and nothing where that is null."""
    quieten()
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")  # callbacks of training
    seed_everything(config.seed, verbose=False)
    path, checkpoint, data, model = rebuilt(config)
    folder = None if config.to is None else Path(config.to)
    config.paths.run = str(folder or ".")
    if folder is None:
        model.configure_callbacks = list  # type: ignore[method-assign]  # which draw
    if config.trainer.precision is None:
        config.trainer.precision = checkpoint["config"]["trainer"]["precision"]
    trainer = build_trainer(config, model, callbacks=[progress()], logger=False, enable_checkpointing=False)
    if folder is not None and is_first():
        record.begin(config, folder)
    with processes.one_for_all(trainer):
        (validated,) = trainer.validate(model, data, ckpt_path=path, verbose=False, weights_only=True)
        (tested,) = trainer.test(model, data, ckpt_path=path, verbose=False, weights_only=True)
    metrics = {**validated, **tested}
    if trainer.is_global_zero:
        if folder is not None:
            record.end(metrics, folder)
        report(Console(), f"{checkpoint['config']['name']}, step {checkpoint['global_step']}", metrics, model, folder)
    return metrics
