"""What is run: every check of every case of the tables that a package offers, and what comes of each.

The command (``python -m scratch.testing``), the pytest plugin and `check` all go through a list of `Task` and `judge`.
"""

import time
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scratch.testing.calls import Case
from scratch.testing.compare import Check, Mismatch
from scratch.testing.contract import CONTRACT_CHECKS
from scratch.testing.findings import Finding, finding
from scratch.testing.layers import BAD_ARGUMENT_CHECKS, CHECKS
from scratch.testing.optimizers import BAD_OPTIMIZER_CHECKS, OPTIMIZER_CHECKS, OptimizerCase
from scratch.testing.other_numbers import NUMBER_CHECKS
from scratch.testing.packages import Missing, Namespace, offers
from scratch.testing.transforms import TRANSFORM_CHECKS

AFTER: dict[str, tuple[str, ...]] = {  # a wrong output makes wrong gradients, and these wrong second ones
    **dict.fromkeys([*CHECKS, *NUMBER_CHECKS, *TRANSFORM_CHECKS, "copies"], ("outputs", "gradients")),
    **dict.fromkeys(["outputs", "warnings"], ()),
    "gradients": ("outputs",),
    "second_tangents": ("outputs", "gradients", "tangents"),
    **dict.fromkeys(["state", "state_dict"], ("steps",)),  # an optimizer's
}


@dataclass(frozen=True)
class Task:
    """One check of one case."""

    subject: Case | OptimizerCase
    title: str  # of the case; cases that read alike are numbered
    check: str
    run: Check
    slow: bool = False

    @property
    def name(self) -> str:
        """The name of the layer, function or optimizer."""
        return self.subject.name

    @property
    def id(self) -> str:
        return f"{self.title}-{self.check}"


@dataclass
class Result:
    """What came of a task: passed, failed, not offered by the candidate, not reached because a check before it failed,
    or "reference wrong", where the candidate is right."""

    name: str
    title: str
    check: str
    status: str = "passed"
    error: float | None = None  # the largest relative error that was seen
    seconds: float = 0.0
    finding: Finding | None = None

    @property
    def id(self) -> str:
        return f"{self.title}-{self.check}"


Titled = tuple[str, Any]  # a case with its title


def identified(cases: Iterable[Any]) -> Iterator[Titled]:
    """Cases with their titles; those that read alike, because they differ in their inputs only, are numbered."""
    seen: Counter[str] = Counter()
    for case in cases:
        title = str(case)
        seen[title] += 1
        yield (f"{title}#{seen[title]}" if seen[title] > 1 else title), case


def tasks(
    titled: Iterable[Titled], checks: Mapping[str, Check], candidate: Namespace, reference: Namespace
) -> list[Task]:
    """Every check of every case that both packages offer.

    The costliest check runs by default on the first case of a name only; on the others it counts as slow, for
    ``second_order``, which compares with the reference, runs on all."""
    found, begun = [], set()
    for title, case in titled:
        if offers(candidate, case.name) and offers(case.reference or reference, case.name):
            for name, check in checks.items():
                slow = name == "second_differences" and case.name in begun
                found.append(Task(case, title, name, check, slow))
            begun.add(case.name)
    return found


def firsts(titled: Iterable[Titled], key: Any) -> list[Titled]:
    """The first case of each kind."""
    found: dict[Any, Titled] = {}
    for title, case in titled:
        found.setdefault(key(case), (title, case))
    return list(found.values())


def without(left_out: Collection[str], checks: Mapping[str, Check]) -> dict[str, Check]:
    return {name: check for name, check in checks.items() if name not in left_out}


FORWARD = ("tangents", "second_tangents")


def layer_tasks(candidate: Namespace, reference: Namespace = "torch.nn") -> list[Task]:
    """All that the table asks of layers, losses and functions. The contract is asked of one case of each constructor
    call; tangents of the cases that differ in more than their inputs; other numbers and other transforms, of which
    compilation is slow, of the first case of a name."""
    from scratch.testing.cases import BAD_ARGUMENTS, CASES  # whose files import this package

    titled = list(identified(CASES))
    calls = firsts(titled, lambda case: case.name if case.is_function else str(case))
    found = tasks(calls, without(["copies"], CONTRACT_CHECKS), candidate, reference)
    found += tasks(titled, CHECKS, candidate, reference)
    found += tasks(calls, {"copies": CONTRACT_CHECKS["copies"]}, candidate, reference)
    found += tasks(identified(BAD_ARGUMENTS), BAD_ARGUMENT_CHECKS, candidate, reference)
    once = firsts(titled, lambda case: case.name)
    found += tasks(once, NUMBER_CHECKS, candidate, reference)
    found += tasks(firsts(titled, str), {name: TRANSFORM_CHECKS[name] for name in FORWARD}, candidate, reference)
    transforms = tasks(once, without(FORWARD, TRANSFORM_CHECKS), candidate, reference)
    return found + [replace(task, slow=task.check == "compiled") for task in transforms]


def optimizer_tasks(candidate: Namespace, reference: Namespace = "torch.optim") -> list[Task]:
    """All that the table asks of optimizers."""
    from scratch.testing.cases.optim import BAD, CASES, SAVED

    titled = list(identified(CASES))
    saved = set(map(id, SAVED))
    most_options = firsts(titled[::-1], lambda case: case.name)[::-1]
    found = []
    for cases, names in (
        (most_options, ("contract", "copies")),
        (titled, ("steps", "state")),
        ([(title, case) for title, case in titled if id(case) in saved], ("state_dict",)),
    ):
        found += tasks(cases, {name: OPTIMIZER_CHECKS[name] for name in names}, candidate, reference)
    return found + tasks(identified(BAD), BAD_OPTIMIZER_CHECKS, candidate, reference)


def perform(task: Task, candidate: Namespace, reference: Namespace) -> Result:
    """Run a task."""
    result = Result(task.name, task.title, task.check)
    start = time.perf_counter()
    with warnings.catch_warnings():  # the reference's own; which there are is a check
        warnings.simplefilter("ignore")
        try:
            result.error = task.run(task.subject, candidate, reference)
        except Missing as missing:
            result.status, result.finding = "not offered", Finding("not offered", str(missing))
        except Mismatch as mismatch:
            result.error = mismatch.error
            result.finding = finding(task.check, task.subject, candidate, reference, mismatch)
            result.status = "reference wrong" if result.finding.right == "candidate" else "failed"
    result.seconds = time.perf_counter() - start
    return result


def judge(job: Iterable[Task], candidate: Namespace, reference: Namespace) -> Iterator[Result]:
    """Run tasks one after the other. What would only repeat what a check of the same case has found is not reached."""
    stopped: dict[tuple[str, str], Result] = {}
    for task in job:
        before = (stopped.get((task.title, check)) for check in AFTER.get(task.check, ()))
        why = next((result for result in before if result), None)
        if why is None:
            result = perform(task, candidate, reference)
        elif why.status == "not offered":
            result = replace(why, check=task.check, seconds=0.0)
        else:
            result = Result(task.name, task.title, task.check, "not reached")
        if result.status != "passed":
            stopped[task.title, task.check] = result
        yield result
