"""A run, from its configuration to its folder: build, check, train, test, and say where everything is."""

import logging
import sys
import time
from pathlib import Path

from lightning import seed_everything
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.interrupt import Interrupted
from zoo.callbacks.monitor_check import Monitors
from zoo.callbacks.save_config import KeepConfig, validated
from zoo.core.distributed import is_first
from zoo.core.errors import at_least, between, listed, one_of, whole
from zoo.training import processes, record
from zoo.training.build import build_data, build_model, build_trainer, built
from zoo.training.checkpoint import located, read
from zoo.training.compilation import compile_network
from zoo.training.learning_rate import find_rate
from zoo.training.record import new_folder
from zoo.training.report import report
from zoo.training.resume import INTERRUPTED, check_checkpoint, tell_how_to_resume


def quieten() -> None:
    """Lightning tells much that nobody asked for."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)


def train(config: DictConfig) -> dict[str, float]:
    """Train and test as the configuration says; return the metrics of validation and test with the weights that count.

    Raises UsageError, before anything is written, for a wrong value in the configuration or in the data.
    """
    quieten()
    if processes.run_apart(config):
        return {}
    between("seed", config.seed, 0, 2**32)
    whole("seed", config.seed, 0)
    listed("tags", config.tags)
    whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    whole("trainer.accumulate_grad_batches", config.trainer.accumulate_grad_batches, 1)
    whole("trainer.log_every_n_steps", config.trainer.log_every_n_steps, 0)
    if config.trainer.gradient_clip_val is not None:
        at_least("trainer.gradient_clip_val", config.trainer.gradient_clip_val, 0)
    seed_everything(config.seed, verbose=False)
    data = build_data(config)
    model = build_model(config, data.facts)
    model.check(data)
    if config.ckpt_path:
        config.ckpt_path = str(located("ckpt_path", config.ckpt_path, Path(config.paths.runs) / config.name))
        check_checkpoint(config.ckpt_path, model, config)
    folder = new_folder(config)
    if processes.is_parallel(config):
        folder = processes.agreed(folder)
    config.paths.run = str(folder)
    compile_network(model, config.compile)
    if config.tune is not None:
        one_of("tune", config.tune, ("lr",))
        return find_rate(config, model, data, folder)
    callbacks = [Monitors(), *built(config.callbacks), KeepConfig(config)]
    trainer = build_trainer(config, model, callbacks=callbacks, logger=built(config.logger))

    if is_first():
        record.begin(config, folder)
    console = Console(quiet=not is_first())
    started = time.perf_counter()
    try:
        with processes.one_for_all(trainer):
            trainer.fit(model, data, ckpt_path=config.ckpt_path, weights_only=True)
    except Interrupted as interrupted:
        console.print("\nInterrupted; nothing is lost.", end=" ")
        tell_how_to_resume(console, interrupted.path)
        sys.exit(INTERRUPTED)
    except SystemExit:  # Lightning's answer to a KeyboardInterrupt, which is a second Ctrl-C
        last = folder / "checkpoints" / "last.ckpt"
        console.print("\nStopped at once; steps since the last checkpoint are lost.", end=" ")
        tell_how_to_resume(console, str(last)) if last.exists() else console.print("There is none yet.")
        sys.exit(INTERRUPTED)
    seconds = time.perf_counter() - started
    best = getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    metrics = read("best", best)["metrics"] if best else validated(trainer)
    with processes.one_for_all(trainer):
        (tested,) = trainer.test(model, data, ckpt_path=best, verbose=False, weights_only=True)
    metrics = {**metrics, **tested}
    if trainer.is_global_zero:
        record.end(metrics, folder)
        report(console, f"{config.name}, after {seconds:.0f} s of training", metrics, model, folder)
    return metrics
