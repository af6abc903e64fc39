"""From the words of a command to jobs: what is put to the test, against what, and in which order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch

from scratch.testing import calls
from scratch.testing.calls import Case
from scratch.testing.optimizers import OptimizerCase
from scratch.testing.own import own_tasks, tasks_of
from scratch.testing.packages import Missing, load, offers, resolve
from scratch.testing.suite import Result, Task, judge, layer_tasks, optimizer_tasks

TELLING = ("signature", "state_dict", "outputs", "gradients", "same_error", "contract", "steps")
OF_DROP_INS = (
    "signature", "initialisation", "representation", "state_dict", "state", "contract", "warnings", "same_error",
    "views",
)  # fmt: skip
Jobs = list[list[Task]]


class WrongCommand(Exception):
    """The command asks for what does not exist; the message is one line."""


@dataclass(frozen=True)
class Settings:
    """What a command asks for. ``layers`` and ``optim`` are the candidates, "" where none is."""

    layers: str = ""
    optim: str = ""
    reference: str = ""
    words: tuple[str, ...] = ()
    quick: bool = False
    slow: bool = False
    numbers: bool = False
    call: str = "()"  # the arguments of a class or function that the table does not know
    inputs: str = ""  # and the sources of its inputs

    @property
    def layers_reference(self) -> str:
        return self.reference or counterpart(self.layers, "torch.nn", "torch.nn.functional")

    @property
    def optim_reference(self) -> str:
        return self.reference or counterpart(self.optim, "torch.optim")


def counterpart(candidate: str, *packages: str) -> str:
    """The package to compare a package with, or what in it has the name of the class or function."""
    found = load(candidate)
    if isinstance(found, ModuleType):
        return packages[0]
    name = getattr(found, "__name__", "")
    home = next((package for package in packages if offers(package, name)), None)
    if home is None:
        raise WrongCommand(f"{candidate}: {packages[0]} has no {name}; say what it is compared with by --reference, "
                           "or by --inputs alone that it is held against finite differences")  # fmt: skip
    return f"{home}.{name}"


def settings_of(candidate: str, optim: str | None, reference: str, **others: Any) -> Settings:
    """Find out what a candidate is: a package of layers, one of optimizers, or both; one class or function."""
    for text in (candidate, optim, reference):
        if text:
            imported(text)
    if not candidate:
        return Settings(optim=optim or "", reference=reference, **others)
    found = load(candidate)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        return Settings(optim=candidate, reference=reference, **others)
    if callable(found):
        return Settings(layers=candidate, reference=reference, **others)
    inside = {name: f"{candidate}.{name}" for name in ("nn", "optim") if ":" not in candidate and part(found, name)}
    return Settings(
        inside.get("nn", candidate), inside.get("optim", "") if optim is None else optim, reference, **others
    )


def imported(text: str) -> Any:
    """What a text names; that there is no such thing is a wrong command."""
    try:
        return load(text)
    except Exception as error:
        said = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise WrongCommand(f"cannot import {text}: {said}".splitlines()[0]) from error


def part(package: Any, name: str) -> bool:
    """Whether a package has a module of this name of its own."""
    try:
        module = resolve(package, name)
    except Missing:
        return False
    return isinstance(module, ModuleType) and module.__name__.startswith(package.__name__)


@cache
def plan(settings: Settings) -> tuple[Jobs, Callable[[Sequence[Task]], Iterator[Result]]]:
    """The jobs, and how one is done."""

    def work(job: Sequence[Task]) -> Iterator[Result]:
        if isinstance(job[0].subject, OptimizerCase):
            return judge(job, settings.optim, settings.optim_reference)
        if settings.inputs:
            candidate = load(settings.layers)
            return judge(job, candidate, candidate)  # its cases have their reference
        return judge(job, settings.layers, settings.layers_reference)

    tasks = [task for task in every_task(settings) if chosen(task, settings)]
    if not tasks and settings.words:
        raise WrongCommand(f"no check has {' or '.join(map(repr, settings.words))} in its name")
    return arranged(tasks, settings.quick), work


def every_task(settings: Settings) -> list[Task]:
    if settings.inputs:
        return stated_task(settings)
    found: list[Task] = []
    if settings.layers:
        found += named_alike(
            layer_tasks(settings.layers, settings.layers_reference), settings.layers_reference, "torch.nn"
        )
    if settings.optim:
        tasks = optimizer_tasks(settings.optim, settings.optim_reference)
        found += named_alike(tasks, settings.optim_reference, "torch.optim")
    sides = (settings.layers, "torch.nn", Case), (settings.optim, "torch.optim", OptimizerCase)
    for package, reference, kind in sides:  # what it brings itself
        cases = [case for case in getattr(load(package), "CASES", ()) if isinstance(case, kind)] if package else []
        found += tasks_of(cases, package, reference)
    return found


def named_alike(tasks: list[Task], reference: str, table: str) -> list[Task]:
    """The cases that are about one class or function; of a package all."""
    wanted = load(reference)
    if isinstance(wanted, ModuleType):
        return tasks
    names = {task.name for task in tasks if offers(table, task.name) and resolve(table, task.name) is wanted}
    if not names:
        raise WrongCommand(
            f"the table of cases knows no {reference}: say what to call it on by --inputs 'normal(4, 3)'"
        )
    return [task for task in tasks if task.name in names]


def stated_task(settings: Settings) -> list[Task]:
    """The checks of one class or function on stated inputs."""
    inputs = stated_sources(settings.inputs)
    try:
        given = eval(f"(lambda *args, **kwargs: (args, kwargs)){settings.call}", dict(SOURCES))
    except Exception as error:
        raise WrongCommand(f"--call {settings.call}: {error}") from error
    candidate = load(settings.layers)
    if not callable(candidate):
        raise WrongCommand(f"--inputs is for one class or function; {settings.layers} is a package")
    reference = load(settings.reference) if settings.reference else None
    return own_tasks(candidate, reference, given[0], given[1], inputs)


SOURCES = {name: value for name, value in vars(calls).items() if not name.startswith("_")} | {"torch": torch}


def stated_sources(text: str) -> list[Any]:
    """The sources that a command states: 'normal(4, 3), integers(5, 4)'."""
    try:
        found = eval(f"[{text}]", dict(SOURCES))
    except Exception as error:
        raise WrongCommand(f"--inputs {text}: {error}") from error
    if not all(callable(source) for source in found):
        raise WrongCommand(f"--inputs {text}: not sources, such as normal(4, 3), integers(5, 4) or given([1.0, 2.0])")
    return found


def chosen(task: Task, settings: Settings) -> bool:
    if (task.slow and not settings.slow) or (task.check in OF_DROP_INS and settings.numbers):
        return False
    return not settings.words or any(word in task.id for word in settings.words)


def arranged(tasks: list[Task], quick: bool) -> Jobs:
    """The jobs of one name each; in a hurry the most telling checks of the first case of every name come first, then
    those of the others, then what else there is to ask of the first."""
    firsts: dict[str, str] = {}
    for task in tasks:
        if task.check in ("outputs", "steps"):
            firsts.setdefault(task.name, task.title)
    rounds: list[dict[str, list[Task]]] = [{}, {}, {}]
    for task in sorted(tasks, key=lambda task: list(firsts).index(task.name) if task.name in firsts else -1):
        first = task.title == firsts.get(task.name)
        if not quick:
            place = 0
        elif task.check in TELLING:
            place = 0 if first else 1
        elif first:
            place = 2
        else:
            continue
        rounds[place].setdefault(task.name, []).append(task)
    return [job for jobs in rounds for job in jobs.values()]


def lacking(candidate: str, optimizers: bool = False) -> list[str]:
    """The names of the table that a package does not offer."""
    from scratch.testing.cases import CASES, optim

    cases: Sequence[Any] = optim.CASES if optimizers else CASES
    return [name for name in dict.fromkeys(case.name for case in cases) if not offers(candidate, name)]
