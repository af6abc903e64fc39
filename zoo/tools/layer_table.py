"""The table of layers: a line for every layer of an implementation, with the checks of the harness and its speed."""

import json
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import torch
from omegaconf import DictConfig
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.random import fork_rng

from scratch.testing import CHECKS, PURITY_CHECKS, TRANSFORM_CHECKS, Case, Check, Mismatch, offers
from scratch.testing.cases import CASES
from scratch.testing.running import Layer, differentiable_leaves, in_dtype, pair, random
from zoo.core.errors import UsageError, at_least, did_you_mean, listing, one_of
from zoo.tools.measure import CLOCKS, Task, interleaved, timer_for

COLUMNS: dict[str, tuple[Check, ...]] = {
    "exact": (CHECKS["outputs"], CHECKS["gradients"]),
    "second order": (CHECKS["second_order"],),
    "tangent": (TRANSFORM_CHECKS["tangents"], TRANSFORM_CHECKS["second_tangents"]),
    "vmap": (TRANSFORM_CHECKS["vmapped"],),
    "compile": (TRANSFORM_CHECKS["compiled"],),
    "autocast": (TRANSFORM_CHECKS["autocast"],),
    "purity": (PURITY_CHECKS["purity"],),
}
FIRST_CASE_ONLY = ("vmap", "compile")  # the other checks run on every case
YES_OR_NO = ("autocast", "purity")  # the table shows ✓ and not their error, which is that of bfloat16, or 0


@dataclass
class Line:
    """One layer: the largest error of each column, None where it does not apply or fails, and the ratio of times."""

    name: str
    errors: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    ratio: float | None = None


def layer_table(config: DictConfig) -> bool:
    """Measure, print the table, write config.json, and return whether every layer passes every check."""
    at_least("seconds", config.seconds, 0)
    one_of("clock", config.clock, CLOCKS)
    warnings.filterwarnings("ignore")  # of the reference; the harness compares the warnings of both
    torch.set_num_threads(1)  # the cases are small
    ours, theirs = config.impl.layers, config.reference.layers
    cases = chosen(config.only)
    offered = {
        name: those
        for name, those in cases.items()
        if offers(ours, name) and offers(those[0].reference or theirs, name)
    }
    console = Console()
    lines = [measured(those, config) for those in track(offered.values(), "measuring", console=console, transient=True)]
    show(console, config, lines, sorted(cases.keys() - offered.keys()))
    if config.json:
        Path(config.json).write_text(json.dumps([asdict(line) for line in lines], indent=2) + "\n")
    return not any(line.failures for line in lines)


def chosen(only: str | list[str] | None) -> dict[str, list[Case]]:
    """The cases of the names in config.only, or of all."""
    by_name: dict[str, list[Case]] = {}
    for case in CASES:
        by_name.setdefault(case.name, []).append(case)
    wanted = [only] if isinstance(only, str) else only or list(by_name)
    for name in wanted:
        if name not in by_name:
            raise UsageError(f"only={name}: unknown{did_you_mean(name, by_name)}; legal are {listing(by_name)}")
    return {name: by_name[name] for name in wanted}


def measured(cases: list[Case], config: DictConfig) -> Line:
    """The line of one layer, given its cases."""
    line = Line(cases[0].name)
    for column, checks in COLUMNS.items():
        found: list[float | None] = []
        try:
            for case in cases[:1] if column in FIRST_CASE_ONLY else cases:
                found += [check(case, config.impl.layers, config.reference.layers) for check in checks]
        except Mismatch as mismatch:
            lines = str(mismatch).splitlines()
            line.failures[column] = f"{lines[0]}\n{lines[-1]}"  # what differs, and how to rerun it
            found = []
        line.errors[column] = max((error for error in found if error is not None), default=None)
    if "exact" not in line.failures:
        line.ratio = ratio(cases[0], config)
    return line


def ratio(case: Case, config: DictConfig) -> float | None:
    """Our time, forward and backward, divided by the reference's; None where either does not run in float32."""
    with fork_rng(devices=[]):
        try:
            sides = pair(case, config.impl.layers, config.reference.layers, in_dtype(torch.float32))
            ours, theirs = interleaved((call(sides[0]), call(sides[1])), config.seconds, timer_for("cpu", config.clock))
        except RuntimeError:
            return None
    return ours / theirs


def call(layer: Layer) -> Task:
    """Forward and backward of a layer."""
    inputs, tensors = layer.draw()
    outputs = list(differentiable_leaves(layer.function(*inputs)).values())
    upstream = [random(t, torch.Generator()).to(t.dtype) for t in outputs]

    def once() -> None:
        outputs = list(differentiable_leaves(layer.function(*inputs)).values())
        if outputs:
            torch.autograd.grad(outputs, list(tensors.values()), upstream, allow_unused=True)

    return once


def show(console: Console, config: DictConfig, lines: list[Line], missing: list[str]) -> None:
    """Print the table, the layers that are missing, and the failures."""
    table = Table(
        title=f"{config.impl.layers} against {config.reference.layers}",
        caption="largest relative differences in float64; –: does not apply, or not to the reference; "
        "vmap, compile and speed: of the small first case of each; "
        f"speed: {config.clock} time in float32, ours by the reference's; below, the median",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("layer", overflow="fold")
    for heading in (*COLUMNS, "speed"):
        table.add_column(heading, justify="right", min_width=6)  # 1e-16
    for line in lines:
        speed = "–" if line.ratio is None else f"{line.ratio:.2f}"
        table.add_row(line.name, *(cell(line, column) for column in COLUMNS), speed)
    passed = [str(sum(line.errors[column] is not None for line in lines)) for column in COLUMNS]
    ratios = [line.ratio for line in lines if line.ratio is not None]
    table.add_section()
    table.add_row(f"of {len(lines)} pass", *passed, f"{median(ratios):.2f}" if ratios else "–")
    console.print(table)
    if missing:
        console.print(f"not offered: {', '.join(missing)}", highlight=False)
    for line in lines:
        for column, text in line.failures.items():
            console.print(f"[bold red]{column}[/]:", end=" ")
            console.print(text, highlight=False, markup=False, soft_wrap=True)


def cell(line: Line, column: str) -> str:
    """The text of a cell: an error, ✓, ✗, or – where the check does not apply."""
    error = line.errors[column]
    if column in line.failures:
        return "[bold red]✗[/]"
    if error is None:
        return "–"
    return f"[green]{'✓' if column in YES_OR_NO else f'{error:.0e}'}[/]"
