"""The same recipe under many seeds: mean and deviation of what the tests measure."""

import csv
import gc
import logging
import statistics
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from hydra.utils import instantiate
from lightning import seed_everything
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from zoo.core.errors import UsageError, between, whole
from zoo.training import record
from zoo.training.build import build_data, build_model, build_trainer
from zoo.training.record import new_folder

SPECTATORS = ("progress", "interrupt", "curves", "last")  # callbacks for someone who watches one run, or goes on


def run(config: DictConfig) -> dict[str, float]:
    """Train and test once, as scripts/train.py does, without logs and pictures; the test metrics."""
    seed_everything(config.seed, verbose=False)
    data = build_data(config)
    model = build_model(config, data.facts)
    model.configure_callbacks = list  # type: ignore[method-assign]  # no pictures
    keeps_best = config.callbacks.checkpoint.monitor is not None  # else the last weights count, which are at hand
    left_out = SPECTATORS if keeps_best else (*SPECTATORS, "checkpoint")
    callbacks = [callback for name, callback in instantiate(config.callbacks).items() if name not in left_out]
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": keeps_best}
    trainer = build_trainer(config, model, callbacks=callbacks, **quiet)
    trainer.fit(model, data)
    best = trainer.checkpoint_callback.best_model_path if keeps_best else None  # type: ignore[union-attr]
    (metrics,) = trainer.test(model, data, ckpt_path=best, verbose=False, weights_only=True)
    return dict(metrics)


def train_seeds(config: DictConfig) -> list[dict[str, float]]:
    """Train and test under the seeds config.seed, config.seed + 1, …; write seeds.csv and print mean and deviation.

    Raises UsageError, before anything is written, for a wrong value in the configuration or in the data.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    if "sweep" in config:
        raise UsageError("sweep=optuna: goes with scripts/train.py alone")
    whole("seeds", config.seeds, 1)
    between("seed", config.seed, 0, 2**32 - config.seeds)
    whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    data = build_data(config)
    build_model(config, data.facts).check(data)  # whatever is wrong is told here
    folder = new_folder(config)
    first, started = config.seed, time.perf_counter()
    config.paths.run = str(folder)
    record.begin(config, folder)
    results: list[dict[str, float]] = []
    console = Console()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[shown]}"),
    )
    with Progress(TextColumn(config.name), *columns, console=console) as bar, TemporaryDirectory() as scrap:
        task = bar.add_task("seeds", total=config.seeds, shown="")
        for seed in range(first, first + config.seeds):
            config.seed, config.paths.run = seed, f"{scrap}/{seed}"
            results.append({"seed": seed, **run(config)})
            gc.collect()  # a trainer and its model are a cycle, and hold a whole data set
            write(folder / "seeds.csv", results)
            bar.update(task, advance=1, shown=", ".join(f"{name} {text}" for name, text in summary(results).items()))
    seconds = (time.perf_counter() - started) / config.seeds
    table = Table(title=f"{config.name}: {config.seeds} seeds, {seconds:.1f} s each", title_justify="left")
    table.add_column("metric")
    table.add_column("mean ± deviation", justify="right")
    for name, text in summary(results).items():
        table.add_row(name, text)
    console.print(table)
    console.print(f"Every seed's own numbers are in {folder / 'seeds.csv'}", soft_wrap=True)
    return results


def write(path: Path, results: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, results[0])
        writer.writeheader()
        writer.writerows(results)


def summary(results: list[dict[str, float]]) -> dict[str, str]:
    """Mean ± sample standard deviation of every metric, accuracies in per cent."""
    shown = {}
    for name in results[0]:
        if name != "seed":
            scale, unit = (100, " %") if name.endswith("accuracy") else (1, "")
            values = [scale * result[name] for result in results]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            shown[name] = f"{statistics.mean(values):.4g} ± {deviation:.2g}{unit}"
    return shown
