"""Runs beside each other: how their configurations, versions and metrics differ, and their learning curves."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from zoo.callbacks.pictures.curves import Curves, finish, panels, read_metrics
from zoo.core.errors import UsageError
from zoo.core.files import save_figure
from zoo.training.build import flat
from zoo.training.report import shown

# the parts of record.json that results depend on
NOTED = ("commit", "changed", "threads", "machine", "gpu", "python", "versions")
STYLES: dict[str, Any] = {"train": "--", "val": "-"}


@dataclass
class Run:
    """The contents of a run's folder."""

    name: str
    config: dict[str, Any]  # by full names, such as optimizer.lr; without paths in its own folder
    record: dict[str, Any]
    metrics: dict[str, float]  # empty where the run has not ended
    curves: Curves


def read(folder: Path, name: str) -> Run:
    """Read the folder of a run. Raises UsageError for another folder, or one with files that cannot be read."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if not (folder / "config.yaml").exists():
        raise UsageError(f"{folder}: not the folder of a run, as it has no config.yaml")
    try:
        config = flat(OmegaConf.to_container(OmegaConf.load(folder / "config.yaml")))
        record, metrics = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            for path in (folder / "record.json", folder / "metrics.json")
        )
        curves = read_metrics(path) if (path := folder / "csv" / "metrics.csv").exists() else {}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UsageError(f"{folder}: a file of it cannot be read: {' '.join(str(error).split())}") from error
    here = f"{config.get('paths.run')}/"
    config = {key: value for key, value in config.items() if key != "name" and not f"{value}/".startswith(here)}
    record["changed"] = f"{len(record.get('changed', ()))} files"
    return Run(name, config, flat({key: record[key] for key in NOTED if key in record}), metrics, curves)


def short_names(folders: list[Path]) -> list[str]:
    """The shortest ends of the paths that are all different."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def differences(values: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The names whose values differ, and the values, with a dash for a missing one."""
    names = dict.fromkeys(name for each in values for name in each)
    rows = {name: [str(each.get(name, "–")) for each in values] for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def overlaid(runs: list[Run]) -> Figure | None:
    """A panel for each quantity, a colour for each run, training dashed, validation solid. None without any curve."""
    measured = {run.name: panels(run.curves) for run in runs}
    quantities = sorted({quantity for found in measured.values() for quantity in found})
    if not quantities:
        return None
    figure = Figure(figsize=(5.5 * len(quantities), 4.5), layout="constrained")
    for place, quantity in enumerate(quantities):
        axes = figure.add_subplot(1, len(quantities), place + 1)
        for index, found in enumerate(measured.values()):
            for stage, points in found.get(quantity, {}).items():
                axes.plot(*zip(*points, strict=True), color=f"C{index}", linestyle=STYLES[stage], alpha=0.85)
        finish(axes, quantity)
    handles = [Line2D([], [], color=f"C{index}") for index in range(len(runs))]
    handles += [Line2D([], [], color="gray", linestyle=style) for style in STYLES.values()]
    figure.legend(handles, [*measured, "training", "validation"], loc="outside lower center", ncols=4, fontsize=9)
    return figure


def table(title: str, runs: list[Run], rows: dict[str, list[str]]) -> Table:
    """A table with a column for each run."""
    made = Table(title=title, title_justify="left")
    made.add_column("", overflow="fold")
    for run in runs:
        made.add_column(run.name, overflow="fold")
    for name, row in rows.items():
        made.add_row(name, *row)
    return made


def compare(folders: list[Path], out: Path) -> None:
    """Print the tables, and draw the curves into the file `out`. Raises UsageError for a wrong folder or ending."""
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise UsageError("which runs? two different folders or more, such as runs/lenet-digits-scratch/…")
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"--out {out}: must end in .png, .pdf or .svg")
    runs = [read(folder, name) for folder, name in zip(folders, short_names(folders), strict=True)]
    console = Console()
    for title, found in {
        "configuration": differences([run.config for run in runs]),
        "made with": differences([run.record for run in runs]),
    }.items():
        console.print(table(title, runs, found) if found else f"{title}: the same")
    measured = dict.fromkeys(name for run in runs for name in run.metrics)
    rows = {name: [shown(name, run.metrics[name]) if name in run.metrics else "–" for run in runs] for name in measured}
    console.print(table("metrics", runs, rows))
    for run in runs:
        if not run.metrics:
            console.print(f"{run.name}: has no metrics.json, since it has not ended", soft_wrap=True)
    figure = overlaid(runs)
    if figure is None:
        console.print("no learning curves, since none of them has csv/metrics.csv")
        return
    save_figure(figure, out)
    console.print(f"learning curves: {out}", soft_wrap=True, highlight=False)
