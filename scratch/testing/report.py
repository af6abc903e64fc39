"""What was found: counts, a summary by op, each cause once; on the screen, as JSON, as JUnit's XML."""

import json
import platform
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scratch.testing.findings import alike
from scratch.testing.pages import page_of
from scratch.testing.suite import Result

STATUSES = ("passed", "failed", "reference wrong", "not reached", "not offered", "not run")
COLUMNS: Mapping[str, tuple[str, ...]] = {  # heading: the checks it sums up
    "API": ("signature", "initialisation", "state_dict", "representation", "contract", "state", "copies"),
    "value": ("outputs", "steps"),
    "grad": ("gradients", "subsets", "finite_differences"),
    "2nd": ("second_order", "second_differences"),
    "mem": ("layouts", "views", "untouched", "twice", "overwritten"),
    "f32": ("float32", "bfloat16"),
    "func": (
        *("vmapped", "tangents", "second_tangents", "batched_gradients"),
        *("shapes_alone", "checkpointed", "compiled", "autocast"),
    ),
    "other": ("complex_numbers", "whole_numbers", "other_integers", "nothing", "at_kinks"),
    "errors": ("same_error", "warnings"),
}


@dataclass
class Cause:
    """Failures that are one thing to mend: of one topic, in one layer, or in several in the same words."""

    results: list[Result]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(result.name for result in self.results))

    @property
    def kinds(self) -> list[tuple[Result, int]]:
        """One result for each kind of wrong, and how often it is seen: known kinds before unknown, frequent before
        rare."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            assert result.finding is not None
            found.setdefault(alike(result.finding.cause), []).append(result)
        order = sorted(found.values(), key=lambda rs: (not rs[0].finding.named, -len(rs)))  # type: ignore[union-attr]
        return [(results[0], len(results)) for results in order]

    @property
    def first(self) -> Result:
        """An example of the most telling kind."""
        return self.kinds[0][0]

    @property
    def text(self) -> str:
        assert self.first.finding is not None
        return self.first.finding.cause

    def rerun(self, command: str) -> str:
        """The command that runs the example again."""
        return f"{command} -k {shlex.quote(self.first.id)}"


@dataclass
class Report:
    """All that came of a run."""

    candidate: str
    reference: str
    command: str  # which runs it again
    planned: int = 0
    results: list[Result] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # names that the candidate does not offer
    seconds: float = 0.0
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M"))

    @property
    def ok(self) -> bool:
        return not any(result.status == "failed" for result in self.results)

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(result.status for result in self.results)
        found["not run"] = self.planned - len(self.results)
        return {status: found[status] for status in STATUSES if found[status]}

    def by_name(self) -> dict[str, list[Result]]:
        found: dict[str, list[Result]] = {}
        for result in self.results:
            found.setdefault(result.name, []).append(result)
        return found

    def causes(self, *statuses: str) -> list[Cause]:
        """Each cause once, those that are wrong numbers first."""
        topics: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            if result.status in statuses and result.finding:
                topics.setdefault((result.name, result.finding.topic), []).append(result)
        merged: dict[str, Cause] = {}
        for (name, topic), results in topics.items():
            first = Cause(results)
            words = f"{topic}: {first.text}"
            if first.first.finding.named:  # type: ignore[union-attr]
                words = words.replace(name, "")
            else:  # what has no name in two layers is not one thing
                words += name
            merged.setdefault(alike(words), Cause([])).results += results
        return sorted(merged.values(), key=lambda cause: cause.first.check in (*COLUMNS["API"], *COLUMNS["errors"]))

    def pages(self, cause: Cause) -> list[tuple[str, str]]:
        """The derivations of what a cause is about, where `scratch` has a page of it."""
        found = []
        for name in cause.names[:3]:
            example = next(result for result in cause.results if result.name == name)
            found += [(name, text) for text in page_of(name, example.title)]
        return found

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.processor()}


# ------------------------------------------------------------------------------------------------- on the screen


def headings(checks: Iterable[str]) -> list[str]:
    """The columns that these checks fill."""
    present = set(checks)
    return [heading for heading, names in COLUMNS.items() if present & set(names)]


def row(name: str, results: list[Result], columns: list[str]) -> list[str]:
    """A layer's line in the table: for each column whether all is right, how many checks are not, or · where an earlier
    failure left nothing to look at; and the largest error in float64."""
    cells = [name]
    for heading in columns:
        about = Counter(result.status for result in results if result.check in COLUMNS[heading])
        if about["failed"]:
            cells.append(f"[bold red]✗{about['failed']}[/]")
        elif about["reference wrong"]:
            cells.append("[yellow]✓[/]")
        else:
            right = about["passed"] > about["not reached"]
            cells.append("[green]✓[/]" if right else "[dim]·[/]" if about["not reached"] else "")
    exact = ("outputs", "gradients", "second_order", "steps")
    error = max((r.error or 0.0 for r in results if r.status == "passed" and r.check in exact), default=None)
    return [*cells, "" if error is None else f"{error:.0e}" if error else "0"]


def table(columns: list[str], header: bool) -> Table:
    """A row of it can be printed alone and stands under the others; eighty letters wide."""
    found = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=header)
    found.add_column("name", width=23, overflow="fold")
    for heading in columns:
        found.add_column(heading, justify="center", width=max(len(heading), 4))
    found.add_column("error", justify="right", width=5)
    return found


def summary(console: Console, report: Report, shown: int = 40) -> None:
    """Each cause once, with its numbers and how to rerun it; then the counts."""
    causes = report.causes("failed")
    for cause in causes[:shown]:
        tell(console, report, cause, "[bold red]✗[/]")
    if len(causes) > shown:
        console.print(f"… and {len(causes) - shown} more causes: --json or --html has them all")
    for cause in report.causes("reference wrong"):
        tell(console, report, cause, "[bold yellow]the reference is wrong:[/]")
    lacking = report.causes("not offered")
    if lacking:
        console.print("\n[bold]Options not offered[/], and so not compared:")
        for cause in lacking:
            for result, _ in cause.kinds:
                console.print(f"  {result.finding.cause if result.finding else ''}", highlight=False)
    if report.missing:
        some = ", ".join(report.missing[:8]) + (f" and {len(report.missing) - 8} more" * (len(report.missing) > 8))
        console.print(
            f"\n[bold]{plural(len(report.missing), 'name')}[/] of the table not offered: {some}", highlight=False
        )
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    verdict = "[bold green]equal[/]" if report.ok else "[bold red]different[/]"
    told = f" ({plural(len(causes), 'cause')})" if causes else ""
    names = plural(len(report.by_name()), "name")
    console.print(f"\n{verdict}: {names} of {report.candidate} against {report.reference}, checks: {counts}{told}; "
                  f"{report.seconds:.0f} s", highlight=False)  # fmt: skip


def tell(console: Console, report: Report, cause: Cause, mark: str) -> None:
    whose = escape(listed(cause.names, 6))
    console.print(f"\n{mark} [bold]{whose}[/]: {escape(cause.text)}", highlight=False, soft_wrap=True)
    for line in told(cause, report):
        console.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)


def told(cause: Cause, report: Report) -> list[str]:
    """What is said of a cause below its first line."""
    finding = cause.first.finding
    lines = [line for line in (finding.where, finding.verdict) if line] if finding else []
    for result, count in cause.kinds[1:4]:
        if result.finding and result.name == cause.first.name:
            lines.append(f"also, {plural(count, 'time')}: {result.finding.cause}")
    checks = Counter(result.check for result in cause.results)
    often = ", ".join(f"{check} {count}" for check, count in checks.items())
    lines.append(
        f"in {plural(len({(r.name, r.title) for r in cause.results}), 'case')} ({often}), first {cause.first.title}"
    )
    return [*lines, cause.rerun(report.command)] if report.command else lines


def told_of(report: Report, *statuses: str) -> str:
    """The causes of results of these statuses, or of all that did not pass, as plain text."""
    causes = report.causes(*(statuses or STATUSES))
    return "\n".join("\n    ".join([f"{listed(c.names, 6)}: {c.text}", *told(c, report)]) for c in causes)


def listed(names: list[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# ---------------------------------------------------------------------------------------------------- in files


def as_json(report: Report) -> str:
    def finding(result: Result) -> dict[str, str]:
        found = result.finding
        return {"cause": found.cause, "where": found.where, "verdict": found.verdict} if found else {}

    return json.dumps(
        {
            "candidate": report.candidate,
            "reference": report.reference,
            "command": report.command,
            "date": report.date,
            "versions": report.versions(),
            "seconds": round(report.seconds, 1),
            "counts": report.counts,
            "missing": report.missing,
            "causes": [
                {
                    "cause": cause.text,
                    "names": cause.names,
                    "checks": len(cause.results),
                    "status": cause.first.status,
                    "first": cause.first.id,
                    "rerun": cause.rerun(report.command),
                    **{key: text for key, text in finding(cause.first).items() if key != "cause"},
                }
                for cause in report.causes("failed", "reference wrong")
            ],
            "results": [
                {
                    "name": result.name,
                    "case": result.title,
                    "check": result.check,
                    "status": result.status,
                    "error": None if result.error in (None, float("inf")) else result.error,
                    "seconds": round(result.seconds, 4),
                    **finding(result),
                }
                for result in report.results
            ],
        },
        indent=1,
        ensure_ascii=False,
    )


def as_junit(report: Report) -> str:
    root = ElementTree.Element("testsuites", name=f"{report.candidate} against {report.reference}")
    for name, results in report.by_name().items():
        failures = sum(result.status == "failed" for result in results)
        skipped = sum(result.status not in ("failed", "passed") for result in results)
        attributes = {"name": name, "time": f"{sum(r.seconds for r in results):.3f}"}
        attributes |= {"tests": str(len(results)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        for result in results:
            attributes = {"classname": name, "name": result.id, "time": f"{result.seconds:.4f}"}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            cause = result.finding.cause if result.finding else ""
            if result.status == "failed":
                failure = ElementTree.SubElement(case, "failure", message=cause)
                rerun = f"{report.command} -k {shlex.quote(result.id)}"
                told = (result.finding.where, result.finding.verdict) if result.finding else ()
                failure.text = "\n".join(line for line in (cause, *told, rerun) if line)
            elif result.status != "passed":
                ElementTree.SubElement(case, "skipped", message=f"{result.status}: {cause}".removesuffix(": "))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
