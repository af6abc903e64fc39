"""Validation and test of a checkpoint, and the table that ended its training."""

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lightning import seed_everything
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.progress import progress
from zoo.core.distributed import is_first
from zoo.core.errors import whole
from zoo.core.trust import plain
from zoo.training import record
from zoo.training.as_trained import rebuilt
from zoo.training.build import build_trainer
from zoo.training.check import one_folder
from zoo.training.processes import one_for_all
from zoo.training.record import claimed
from zoo.training.report import report
from zoo.training.run import quieten


def evaluate(config: DictConfig) -> dict[str, float]:
    """Validate and test the checkpoint config.ckpt; print and return the metrics.

    Where config.to names a folder, the metrics and the pictures of the test are written there, and else nothing.
    """
    quieten()
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")  # the training's callbacks
    whole("seed", config.seed, 0)
    seed_everything(config.seed, verbose=False)
    path, checkpoint, data, model = rebuilt(config)
    if config.to is not None:
        one_folder("to", config.to)
        config.paths.run = config.to
        with claimed(config, key="to") if is_first() else nullcontext():
            return measured(config, path, checkpoint, data, model)
    config.paths.run = "."
    model.configure_callbacks = list  # type: ignore[method-assign]  # which draw pictures
    return measured(config, path, checkpoint, data, model)


def measured(config: DictConfig, path: Path, checkpoint: Any, data: Any, model: Any) -> dict[str, float]:
    """`evaluate`, when data and model are built and the folder is claimed."""
    folder = None if config.to is None else Path(config.to)
    if config.trainer.precision is None:
        config.trainer.precision = str(plain(f"ckpt={path}", checkpoint["config"]["trainer"]["precision"]))
    trainer = build_trainer(config, model, callbacks=[progress()], logger=False, enable_checkpointing=False)
    metrics: dict[str, float] = {}
    with one_for_all(trainer):
        if folder is not None and is_first():
            record.begin(config)
        for look in (trainer.validate, trainer.test):
            for found in look(model, data, ckpt_path=path, verbose=False, weights_only=True):
                metrics.update(found)  # none where limit_val_batches=0 or limit_test_batches=0
        if is_first():
            if folder is not None:
                record.end(folder, metrics)
            title = f"{checkpoint['config']['name']}, step {checkpoint['global_step']}"
            report(Console(), title, metrics, model, folder)
    return metrics
