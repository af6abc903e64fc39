"""Are somebody's layers, losses, functions and optimizers right?

  python -m scratch.testing their.package        layers, losses, functions; and optimizers, where there are
                                                 modules their.package.nn and their.package.optim
  python -m scratch.testing --optim their.rules  optimizers
  python -m scratch.testing model.py:Mine --reference torch.nn.GELU
                                                 one class or function, or one optimizer
  python -m scratch.testing model.py:mine --inputs 'normal(4, 3)' --reference model.py:theirs
                                                 one that the table of cases does not know; without a
                                                 reference it is held against finite differences
                                                 (a package or file may bring cases of its own: a list CASES)
  python -m scratch.testing networks model.py:ours model.py:theirs --inputs 'normal(2, 3, 32, 32)'
                                                 two models, layer by layer

The status is 0 if all that is offered is right, 1 if something is wrong, 2 for a wrong command. What a package
lacks is counted, not failed.
"""

import argparse
import os
import shlex
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scratch.testing import networks_command
from scratch.testing.html import as_html
from scratch.testing.packages import load
from scratch.testing.plan import Settings, WrongCommand, lacking, plan, settings_of
from scratch.testing.report import Report, as_json, as_junit, headings, row, summary, table
from scratch.testing.workers import scattered

HURRY = 45  # seconds for --quick
FILES = {"json": as_json, "junit": as_junit, "html": as_html}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def parser() -> Parser:
    found = Parser(prog="python -m scratch.testing", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = found.add_argument
    add("candidate", nargs="?", default="", help="a package, a file model.py, or what is in one, model.py:Mine")
    add("--optim", help="the package of its optimizers")
    add("--reference", default="", help="what it is compared with (default: torch.nn, torch.optim)")
    add("-k", action="append", default=[], dest="words", metavar="TEXT", help="only checks with this in their names,\n"
        "such as LayerNorm, gradients, or 'Linear(5, 3)-gradients'; may be repeated")  # fmt: skip
    add("--quick", action="store_true", help="the most telling checks first, for less than a minute")
    add("--slow", action="store_true", help="compilation and all second differences, too")
    add("--numbers", action="store_true", help="only values and derivatives, for what is no drop-in: its signatures,\n"
        "initial weights, names, reprs and refusals may be its own")  # fmt: skip
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    add("--inputs", default="", help="inputs for one class or function, such as 'normal(4, 3), integers(5, 4)'")
    add("--call", default="()", help="its arguments, such as '(3, bias=False)'")
    for form in FILES:
        add(f"--{form}", metavar="FILE", help=f"write all results as {form.upper()}")
    return found


def main(words: list[str]) -> int:
    sys.path.insert(0, "")
    if words[:1] == ["networks"]:
        try:
            return networks_command.main(networks_command.parser(Parser).parse_args(words[1:]))
        except WrongCommand as error:
            parser().error(str(error))
    options = parser().parse_args(words)
    if not options.candidate and options.optim is None:
        parser().error("name a package to test: python -m scratch.testing their.package (--help shows all)")
    if options.jobs < 1:
        parser().error(f"--jobs {options.jobs}: at least 1")
    try:
        settings = settings_of(
            options.candidate, options.optim, options.reference, words=tuple(options.words), quick=options.quick,
            slow=options.slow, numbers=options.numbers, call=options.call, inputs=options.inputs,
        )  # fmt: skip
        report = tested(settings, command_of(options), options.jobs)
    except WrongCommand as error:
        parser().error(str(error))
    for form, write in FILES.items():
        if path := getattr(options, form):
            Path(path).write_text(write(report))
    return 0 if report.ok else 1


def command_of(options: Any) -> str:
    """The command without what chooses among the checks and what is written."""
    found = ["python", "-m", "scratch.testing"]
    found += [options.candidate] if options.candidate else []
    for name in ("optim", "reference", "inputs"):
        found += [f"--{name}", getattr(options, name)] if getattr(options, name) else []
    found += ["--slow"] * options.slow
    return shlex.join(found + (["--call", options.call] if options.call != "()" else []))


def tested(settings: Settings, command: str, count: int) -> Report:
    """Run the jobs and show what comes of them."""
    jobs, _ = plan(settings)
    whose = " and ".join(name for name in (settings.layers, settings.optim) if name)
    against = " and ".join(filter(None, (
        settings.reference if settings.inputs else settings.layers_reference if settings.layers else "",
        settings.optim_reference if settings.optim else "")))  # fmt: skip
    report = Report(whose, against or "finite differences", command, planned=sum(map(len, jobs)))
    for candidate, optimizers in ((settings.layers, False), (settings.optim, True)):
        if candidate and not callable(load(candidate)):
            report.missing += lacking(candidate, optimizers)
    console = Console()
    start = time.monotonic()
    columns = headings(task.check for job in jobs for task in job)
    open_jobs = Counter(job[0].name for job in jobs)
    shown = table(columns, header=True)
    console.print(shown)
    bar = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
                   console=console, transient=True, disable=not console.is_terminal)  # fmt: skip
    try:
        with bar:
            progress = bar.add_task("", total=report.planned)
            for number, result in scattered(partial(plan, settings), min(count, len(jobs))):
                name = jobs[number][0].name
                if result is not None:
                    report.results.append(result)
                    bar.update(progress, advance=1, description=name)
                    if settings.quick and time.monotonic() - start > HURRY:
                        break
                    continue
                open_jobs[name] -= 1
                if not open_jobs[name]:
                    show(console, report, name, columns)
                    del open_jobs[name]
    except KeyboardInterrupt:
        console.print("interrupted: this is what was found so far")
    for name in [name for name in open_jobs if any(result.name == name for result in report.results)]:
        show(console, report, name, columns)
    report.seconds = time.monotonic() - start
    summary(console, report)
    return report


def show(console: Console, report: Report, name: str, columns: list[str]) -> None:
    line = table(columns, header=False)
    line.add_row(*row(name, [result for result in report.results if result.name == name], columns))
    console.print(line, highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
