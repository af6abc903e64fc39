"""Validation and test of a checkpoint, and the table that ended its training."""

import warnings
from pathlib import Path

from lightning import seed_everything
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.progress import progress
from zoo.core.distributed import is_first
from zoo.core.trust import plain
from zoo.training import record
from zoo.training.as_trained import rebuilt
from zoo.training.build import build_trainer
from zoo.training.processes import one_for_all
from zoo.training.report import report
from zoo.training.run import quieten


def evaluate(config: DictConfig) -> dict[str, float]:
    """Validate and test the checkpoint config.ckpt; print and return the metrics.

    Where config.to names a folder, the metrics and the pictures of the test are written there, and else nothing.
    """
    quieten()
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")  # the training's callbacks
    seed_everything(config.seed, verbose=False)
    path, checkpoint, data, model = rebuilt(config)
    folder = None if config.to is None else Path(config.to)
    config.paths.run = str(folder or ".")
    if folder is None:
        model.configure_callbacks = list  # type: ignore[method-assign]  # which draw pictures
    if config.trainer.precision is None:
        config.trainer.precision = str(plain(f"ckpt={path}", checkpoint["config"]["trainer"]["precision"]))
    trainer = build_trainer(config, model, callbacks=[progress()], logger=False, enable_checkpointing=False)
    with one_for_all(trainer):
        if folder is not None and is_first():
            record.begin(config)
        (validated,) = trainer.validate(model, data, ckpt_path=path, verbose=False, weights_only=True)
        (tested,) = trainer.test(model, data, ckpt_path=path, verbose=False, weights_only=True)
        metrics = {**validated, **tested}
        if is_first():
            if folder is not None:
                record.end(config, metrics)
            title = f"{checkpoint['config']['name']}, step {checkpoint['global_step']}"
            report(Console(), title, metrics, model, folder)
    return metrics
