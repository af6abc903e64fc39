"""A run: check the configuration, build, fit, test, report."""

import logging
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lightning import Trainer
from omegaconf import DictConfig
from rich.console import Console

from zoo.base.trainable import Trainable
from zoo.callbacks.monitor_check import MonitorCheck
from zoo.callbacks.save_config import SaveConfig, validated
from zoo.callbacks.unbroken import Unbroken
from zoo.core.distributed import is_first
from zoo.training import record
from zoo.training.build import build, build_trainer, members
from zoo.training.check import check
from zoo.training.checkpoint import read
from zoo.training.compilation import compile_network
from zoo.training.initial_weights import InitialWeights
from zoo.training.learning_rate import find_rate
from zoo.training.processes import folder_of_all, meet, one_for_all, run_apart
from zoo.training.report import report
from zoo.training.resume import interruption_explained, resumed_checkpoint


def train(config: DictConfig, recorded: bool = True) -> dict[str, float]:
    """Train and test as the configuration says; return the metrics of validation and test.

    They are those of the weights that count: the best ones, or the last ones where no quantity is monitored.

    Args:
        recorded: write the run's records and pictures to its folder and print its report. False for one of many runs.

    Raises UsageError, before anything is written, for a wrong value in the configuration or in the data.
    """
    quieten()
    if run_apart(config):
        return {}
    check(config)
    meet(config)
    data, model = build(config)
    config.ckpt_path = resumed_checkpoint(config, model)
    initial = InitialWeights(config, model)
    with folder_of_all(config) as folder:
        config.paths.run = str(folder)
        return run(config, data, model, initial, recorded)


def run(config: DictConfig, data: Any, model: Trainable, initial: InitialWeights, recorded: bool) -> dict[str, float]:
    """`train`, when data and model are built and the folder is claimed."""
    compile_network(model, config.compile)
    if config.tune is not None:
        initial.give(model)
        return find_rate(config, model, data)
    if not recorded:
        model.configure_callbacks = list  # type: ignore[method-assign]  # which draw pictures
    callbacks = [MonitorCheck(), Unbroken(), *members(config.callbacks), SaveConfig(config)]
    trainer = build_trainer(config, model, callbacks=callbacks, logger=members(config.logger))

    initial.give(model)
    console, folder = Console(quiet=not is_first()), Path(config.paths.run)
    for line in initial.lines if recorded else ():
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    with one_for_all(trainer):
        if recorded and is_first():
            record.begin(config)
        started = time.perf_counter()
        with interruption_explained(console, folder) if recorded else nullcontext():
            trainer.fit(model, data, ckpt_path=config.ckpt_path, weights_only=True)
            seconds = time.perf_counter() - started
            metrics = tested(trainer, model, data, folder if recorded and is_first() else None)
        if recorded and is_first():
            record.end(folder, metrics)
            report(console, f"{config.name}\nafter {seconds:.0f} s of training", metrics, model, folder)
    return metrics


def tested(trainer: Trainer, model: Trainable, data: object, folder: Path | None) -> dict[str, float]:
    """Test a trained model with the weights that count; the metrics of their validation and of the test.

    Where the test fails, those of the validation are written to the folder.
    """
    best = getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    metrics = read("best", best)["metrics"] if best else validated(trainer)
    try:
        for test in trainer.test(model, data, ckpt_path=best, verbose=False, weights_only=True):
            metrics.update(test)  # none where limit_test_batches=0
    except Exception:
        if folder is not None:
            record.end(folder, metrics)
        raise
    return metrics


def quieten() -> None:
    """Silence Lightning's messages below warnings."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(library)
        logger.setLevel(max(logger.level, logging.WARNING))
