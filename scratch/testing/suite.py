"""What is run: every check of every case of the tables that a package offers, and what comes of it.

The command (`python -m scratch.testing`), the pytest plugin and `check` all go through `tasks` and `perform`.
"""

import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scratch.testing.calls import Case
from scratch.testing.compare import Check, Mismatch
from scratch.testing.findings import Finding, finding
from scratch.testing.layers import CHECKS
from scratch.testing.optimizers import OptimizerCase
from scratch.testing.packages import Missing, Namespace, offers
from scratch.testing.transforms import TRANSFORM_CHECKS

Subject = Case | OptimizerCase


@dataclass(frozen=True)
class Task:
    """One check of one case."""

    subject: Subject
    title: str  # of the case; cases that read alike are numbered
    check: str
    run: Check
    slow: bool = False
    after: tuple[str, ...] = ()  # checks without which this one says nothing new

    @property
    def name(self) -> str:
        """Of the layer, function or optimizer."""
        return self.subject.name

    @property
    def id(self) -> str:
        return f"{self.title}-{self.check}"


@dataclass
class Result:
    """What came of a task."""

    name: str
    title: str
    check: str
    status: str  # passed, failed, not offered, not reached, reference wrong
    error: float | None = None  # the largest relative error that was seen
    seconds: float = 0.0
    finding: Finding | None = None

    @property
    def id(self) -> str:
        return f"{self.title}-{self.check}"


def identified(cases: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Cases with their titles; those that read alike, because they differ in their inputs only, are numbered."""
    seen: Counter[str] = Counter()
    for case in cases:
        title = str(case)
        seen[title] += 1
        yield (f"{title}#{seen[title]}" if seen[title] > 1 else title), case


def one_of_each(cases: Iterable[Case]) -> Iterable[Case]:
    """One case of each constructor call, and of each function."""
    return {case.name if case.is_function else str(case): case for case in cases}.values()


AFTER = {  # what a check is to be looked at after: a wrong output makes wrong gradients, and these wrong second ones
    "gradients": ("outputs",),
    **{name: ("outputs", "gradients") for name in CHECKS if name not in ("outputs", "gradients", "warnings")},
    **dict.fromkeys(TRANSFORM_CHECKS, ("outputs", "gradients")),
    "copies": ("outputs", "gradients"),
    "state_dict": ("steps",),
}


def tasks(cases: Iterable[Any], checks: Mapping[str, Check], candidate: Namespace, reference: Namespace) -> list[Task]:
    """Every check of every case that both packages offer.

    The costliest check runs by default on the first case of a name only; on the others it counts as slow, for
    ``second_order``, which compares with the reference, runs on all."""
    found, begun = [], set()
    for title, case in identified(cases):
        if offers(candidate, case.name) and offers(case.reference or reference, case.name):
            for name, check in checks.items():
                slow = name == "second_differences" and case.name in begun
                found.append(Task(case, title, name, check, slow, AFTER.get(name, ())))
            begun.add(case.name)
    return found


def perform(task: Task, candidate: Namespace, reference: Namespace) -> Result:
    """Run a task."""
    result = Result(task.name, task.title, task.check, "passed")
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():  # the reference's own; which there are is a check
            warnings.simplefilter("ignore")
            result.error = task.run(task.subject, candidate, reference)
    except Missing as missing:
        result.status, result.finding = "not offered", Finding(str(missing))
    except Mismatch as mismatch:
        result.error = mismatch.error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result.finding = finding(task.check, task.subject, candidate, reference, mismatch)
        result.status = "reference wrong" if result.finding.right == "candidate" else "failed"
    result.seconds = time.perf_counter() - start
    return result
