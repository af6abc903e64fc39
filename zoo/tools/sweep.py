"""A search for good values: Optuna proposes them, and runs measure them.

Each trial is a run in a process and a folder of its own. The trials are recorded in study.log. The values of a trial
depend only on the seed, its number, and the trials before it, so that a resumed search makes the same trials as an
unbroken one.
Source: Akiba, Sano, Yanase, Ohta and Koyama, Optuna (2019); its sampler: Bergstra et al., Algorithms for
hyper-parameter optimization (2011).
"""

import csv
import json
import math
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from zoo.core.errors import UsageError, one_of, whole
from zoo.core.files import save_figure
from zoo.core.seeding import mix
from zoo.core.signals import is_interruption
from zoo.training import record
from zoo.training.check import one_folder
from zoo.training.cli import CONF, program
from zoo.training.processes import in_own_process, refuse_many_jobs, words_of_a_run

SAMPLERS: dict[str, Any] = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
Space = dict[str, BaseDistribution]


def search(config: DictConfig) -> dict[str, Any]:
    """Run the trials that are missing; print and return the best values.

    Raises UsageError, before anything is written, for a wrong value under sweep; SystemExit when interrupted.
    """
    refuse_many_jobs("sweep=optuna")
    options = config.sweep
    whole("sweep.trials", options.trials, 1)
    one_of("sweep.direction", options.direction, ("minimize", "maximize"))
    one_of("sweep.sampler", options.sampler, SAMPLERS)
    space = {key: distribution(config, key, values) for key, values in options.space.items()}
    one_folder("sweep.folder", options.folder)
    folder, words = Path(options.folder), words_of_a_run()
    config.paths.run = str(folder)
    log = folder / "study.log"
    with record.claimed(config, log if log.exists() else None, "sweep.folder"):
        return searched(config, folder, words, space)


def searched(config: DictConfig, folder: Path, words: list[str], space: Space) -> dict[str, Any]:
    """`search`, when the folder is claimed."""
    options, console = config.sweep, Console()
    study = opened(config, folder, words)
    for trial in trials(study, config, space):
        values = as_words(trial.params)
        console.print(f"trial {trial.number}: {shlex.join(values)}", soft_wrap=True, highlight=False)
        run = folder / f"trial-{trial.number:03}"
        status = 0 if (run / "metrics.json").exists() else begin(run, [*words, *values])
        if is_interruption(status):
            console.print("Interrupted; nothing is lost: the same command goes on.")
            sys.exit(status if status > 0 else 128 - status)
        if status:
            said = (run.with_suffix(".log").read_text(errors="replace").split("\n") or [""])[-2:]
            console.print(f"  failed: {' '.join(said).strip()}", soft_wrap=True, highlight=False, markup=False)
            if status == 2 and not finished(study):  # the mistake is in the command, not in the proposed values
                raise UsageError(f"sweep: the first trial was refused; its words are above, its log is {run}.log")
            study.tell(trial.number, state=TrialState.FAIL)
            continue
        metrics = json.loads((run / "metrics.json").read_text())
        one_of("sweep.metric", options.metric, metrics)
        value = metrics[options.metric]
        study.tell(trial.number, value) if math.isfinite(value) else study.tell(trial.number, state=TrialState.FAIL)
        console.print(f"  {options.metric} {value:.4g}", highlight=False)
    return report(console, study, options.metric, folder, words)


def distribution(config: DictConfig, key: str, values: Any) -> BaseDistribution:
    """The distribution from which Optuna draws values for this key."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if not ((CONF / key).is_dir() or (isinstance(node, DictConfig) and name in node)):
        raise UsageError(f"sweep.space: {key}: no such key in this configuration")
    plain: Any = OmegaConf.to_container(values) if OmegaConf.is_config(values) else values
    if isinstance(plain, list) and plain:
        return CategoricalDistribution([str(v) if isinstance(v, (list, dict)) else v for v in plain])
    try:
        kind = IntDistribution if all(isinstance(plain[end], int) for end in ("low", "high")) else FloatDistribution
        return kind(**plain)
    except (TypeError, KeyError, ValueError) as error:
        raise UsageError(
            f"sweep.space: {key}={plain}: must be a list of choices, or low and high, with log: true or a step"
        ) from error


def opened(config: DictConfig, folder: Path, words: list[str]) -> optuna.Study:
    """The study in this folder, a new one or one to resume."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options: Any = OmegaConf.to_container(config.sweep, resolve=True)
    asked = {"words": words, **{key: options[key] for key in ("metric", "direction", "sampler", "space")}}
    log = folder / "study.log"
    if not log.exists():
        record.begin(config)
    storage = JournalStorage(JournalFileBackend(str(log)))
    study = optuna.create_study(
        storage=storage, study_name="sweep", direction=config.sweep.direction, load_if_exists=True
    )
    for name, value in asked.items():
        before = study.user_attrs.get(name, value)
        if before != value:
            raise UsageError(
                f"sweep.folder={folder}: holds a search with {name} {before}, but {value} was asked for; "
                "take another folder, or remove this one"
            )
        study.set_user_attr(name, value)
    return study


def trials(study: optuna.Study, config: DictConfig, space: Space) -> Iterator[Any]:
    """The interrupted trials, then new ones up to the number asked for."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if trial.params.keys() == space.keys() and all(may_be(trial.params[key], space[key]) for key in space):
            yield trial
        else:  # interrupted before it had all its values
            study.tell(trial.number, state=TrialState.FAIL)
    for number in range(len(study.get_trials()), config.sweep.trials):
        study.sampler = SAMPLERS[config.sweep.sampler](seed=mix(config.seed, number))
        yield study.ask(space)


def may_be(value: Any, values: BaseDistribution) -> bool:
    """Whether a value from study.log is one of these; it becomes a word of a command line."""
    try:
        return values._contains(values.to_internal_repr(value))
    except ValueError:
        return False


def as_words(params: dict[str, Any]) -> list[str]:
    """The values as words of the command line, key=value, numbers to four digits."""
    short = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in params.items()}
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in short.items()]


def begin(run: Path, words: list[str]) -> int:
    """Train in a process of its own, from the last checkpoint if there is one; return the exit status."""
    last = run / "checkpoints/last.ckpt"
    again = [f"ckpt_path={last}"] if last.exists() else []
    if not again and run.exists():  # ended before its first checkpoint
        shutil.rmtree(run)
    with run.with_suffix(".log").open("a") as log:
        return in_own_process([*words, f"paths.run={run}", *again], log)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that have a value, the best one first."""
    best_last = study.direction == optuna.study.StudyDirection.MAXIMIZE
    done = study.get_trials(states=(TrialState.COMPLETE,))
    return sorted(done, key=lambda trial: trial.value or 0.0, reverse=best_last)


def write(done: list[FrozenTrial], metric: str, folder: Path) -> None:
    """Write trials.csv and draw sweep.png, for finished trials, the best one first."""
    with (folder / "trials.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", metric, *done[0].params])
        writer.writerows([trial.number, trial.value, *trial.params.values()] for trial in done)
    save_figure(picture(done, metric), folder / "sweep.png")


def picture(done: list[FrozenTrial], metric: str) -> Figure:
    """The metric over the number of the trial and over each of the values, with a ring around the best trial."""
    best, keys = done[0], list(done[0].params)
    figure = Figure(figsize=(4 * (1 + len(keys)), 4), layout="constrained")
    panels = figure.subplots(1, 1 + len(keys), sharey=True, squeeze=False)[0]
    for axes, key in zip(panels, ["trial", *keys], strict=True):
        across = {trial.number: trial.number if key == "trial" else trial.params[key] for trial in done}
        if key != "trial":
            axes.set_xscale("log" if getattr(best.distributions[key], "log", False) else "linear")
            if isinstance(best.distributions[key], CategoricalDistribution):
                across = {number: str(value) for number, value in across.items()}
        axes.scatter(across.values(), [trial.value for trial in done])
        axes.scatter([across[best.number]], [best.value], s=150, facecolors="none", edgecolors="crimson")
        axes.set(xlabel=key)
        axes.grid(alpha=0.3)
    panels[0].set(ylabel=metric)
    return figure


def report(console: Console, study: optuna.Study, metric: str, folder: Path, words: list[str]) -> dict[str, Any]:
    """Print the ten best trials and the command with the best values; return these values."""
    done = finished(study)
    if not done:
        raise UsageError(f"sweep: none of {len(study.get_trials())} trials came to its end; their logs are in {folder}")
    failed = len(study.get_trials()) - len(done)
    table = Table(title=f"the best of {len(done)} trials" + f"; {failed} failed" * bool(failed), title_justify="left")
    for column in ("trial", metric, *done[0].params):
        table.add_column(column, justify="right")
    for trial in done[:10]:
        values = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in (trial.value, *trial.params.values()))
        table.add_row(str(trial.number), *values)
    console.print(table)
    write(done, metric, folder)
    console.print(f"All are in {folder}: trial-… (runs), trials.csv, sweep.png.", soft_wrap=True, highlight=False)
    best = shlex.join([*program(), *words, *as_words(done[0].params)])
    console.print(f"With the best values:\n  {best}", soft_wrap=True, highlight=False, markup=False)
    return done[0].params
