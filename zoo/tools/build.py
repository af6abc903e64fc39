"""Compile ahead of time what the compiled form would compile on first use (scratch/ops/core/compiler.py).

What there is to build is found by running: of every layer, loss, function and optimizer the first case in the tables of
`scratch.testing` that has something to compile, in training and outside of it, forward and backward, while nothing is
compiled but noted. Other options of a layer, such as another reduction, are compiled when they are first used.
"""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import scratch
from scratch.ops.core.compiler import Build, compiler_works, folder, on_disk, only_asked, sound
from scratch.testing.calls import Case
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from scratch.testing.optimizers import OptimizerCase
from scratch.testing.optimizers import Run as OptimizerRun
from scratch.testing.running import in_dtype, pair, run

TRIED = 8  # cases of a name


def functions(cases: Iterable[Case | OptimizerCase], dtype: torch.dtype = torch.float32) -> list[Build]:
    """What the compiled form builds for the first case of each name that has something, by name."""
    named: dict[str, list[Case | OptimizerCase]] = {}
    for case in cases:
        named.setdefault(case.name, []).append(case)
    found: dict[Path, Build] = {}
    with scratch.compiled(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for group in named.values():
            for case in group[:TRIED]:
                with only_asked() as asked:
                    use(case, dtype)
                found |= asked
                if asked:
                    break
    return sorted(found.values(), key=lambda build: build.name)


def use(case: Case | OptimizerCase, dtype: torch.dtype) -> None:
    """One step of an optimizer; a layer forward and backward, in training and outside of it."""
    if isinstance(case, OptimizerCase):
        drawn = tuple(lambda generator, draw=draw: draw(generator).to(dtype) for draw in case.parameters)
        OptimizerRun(case.but(parameters=drawn), "scratch.optim").step(1)
    else:
        layer, _ = pair(case, "scratch.nn", "scratch.nn", in_dtype(dtype))  # torch.nn of an older torch lacks some
        for train in (True, False):
            run(layer, train=train)


def build(names: Sequence[str] = (), *, dtype: str = "float32", missing: bool = False) -> bool:
    """Build the functions whose names contain one of these words, or all; or, with ``missing``, only tell which are not
    there. Returns whether all are there in the end."""
    console = Console()
    if not compiler_works():
        console.print("There is no C++ compiler; CXX names one.")
        return False
    found = functions([*CASES, *OPTIMIZER_CASES], getattr(torch, dtype))
    found = [each for each in found if not names or any(name in each.name for name in names)]
    left = [each for each in found if not sound(each.file)]
    console.print(
        f"{len(found)} functions of {dtype}: {len(found) - len(left)} are in {folder()}, {len(left)} are not."
    )
    if missing:
        for each in left:
            console.print(f"  {each.name}", highlight=False)
        return not left
    failed = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("compiling", total=len(left))
        for each in left:
            progress.update(task, description=each.name)
            try:
                on_disk(each, silent=True)
            except Exception as error:
                failed += 1
                progress.console.print(f"{each.name}: {(str(error) or repr(error)).splitlines()[0]}")
            progress.advance(task)
    return not failed
