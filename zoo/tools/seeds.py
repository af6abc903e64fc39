"""One recipe under many seeds: mean and standard deviation of the test metrics."""

import csv
import gc
import logging
import statistics
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig, open_dict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from zoo.core.errors import UsageError, between, whole
from zoo.training import record
from zoo.training.build import build
from zoo.training.check import check
from zoo.training.run import train

FOR_ONE_RUN = (
    "progress",
    "cost",
    "interrupt",
    "curves",
    "last",
    "at_epochs",
)  # callbacks for someone who watches or resumes a single run


def train_seeds(config: DictConfig) -> list[dict[str, float]]:
    """Train and test under the seeds config.seed, config.seed + 1, …; write seeds.csv and print mean and deviation.

    Raises UsageError, before anything is written, for a wrong value in the configuration or in the data.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    for option in ("sweep", "tune", "ckpt_path"):
        if config.get(option) is not None:
            value = "optuna" if option == "sweep" else config[option]
            raise UsageError(f"{option}={value}: goes with scripts/train.py alone")
    whole("seeds", config.seeds, 1)
    check(config)
    between("seed", config.seed, 0, 2**32 - config.seeds)
    build(config)  # raises UsageError for whatever else is wrong
    with record.claimed(config) as folder:
        config.paths.run = str(folder)
        record.begin(config)
        return train_each(config, folder)


def train_each(config: DictConfig, folder: Path) -> list[dict[str, float]]:
    """`train_seeds`, when the folder is claimed."""
    first, started = config.seed, time.perf_counter()
    one_run = for_one_seed(config)
    results: list[dict[str, float]] = []
    console = Console()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[shown]}"),
    )
    with Progress(TextColumn(config.name), *columns, console=console) as bar, TemporaryDirectory() as scratch_folder:
        task = bar.add_task("seeds", total=config.seeds, shown="")
        for seed in range(first, first + config.seeds):
            one_run.seed, one_run.paths.run = seed, f"{scratch_folder}/{seed}"
            metrics = train(one_run, recorded=False)
            tested = {name: value for name, value in metrics.items() if name.startswith("test/")}
            results.append({"seed": seed, **tested})
            gc.collect()  # trainer and model refer to each other, and hold a whole data set
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


def for_one_seed(config: DictConfig) -> DictConfig:
    """The configuration for one of the runs: without loggers, progress bar, and the callbacks FOR_ONE_RUN.

    Without a monitored quantity the last weights count, and no checkpoint is needed.
    """
    config = config.copy()
    checkpoint = config.callbacks.get("checkpoint")
    keeps_best = checkpoint is not None and checkpoint.monitor is not None
    with open_dict(config):
        for name in FOR_ONE_RUN if keeps_best else (*FOR_ONE_RUN, "checkpoint"):
            config.callbacks[name] = None
        config.logger = {}
        config.trainer.enable_progress_bar = False
        config.trainer.enable_checkpointing = keeps_best
    return config


def write(path: Path, results: list[dict[str, float]]) -> None:
    """Write the metrics as a CSV file, a row for each seed."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, results[0])
        writer.writeheader()
        writer.writerows(results)


def summary(results: list[dict[str, float]]) -> dict[str, str]:
    """Mean ± sample standard deviation of every metric as a text, accuracies in per cent."""
    shown = {}
    for name in results[0]:
        if name != "seed":
            scale, unit = (100, " %") if name.endswith("accuracy") else (1, "")
            values = [scale * result[name] for result in results]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            shown[name] = f"{statistics.mean(values):.4g} ± {deviation:.2g}{unit}"
    return shown
