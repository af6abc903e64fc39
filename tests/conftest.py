"""The suite is usable on anybody's package: ``pytest tests/test_equivalence.py --impl their.package``."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import pytest
import torch

from scratch.testing import Case, Check, offers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--impl", default="scratch.nn", help="the package under test (default: scratch.nn)")
    parser.addoption("--optim", default="scratch.optim", help="its optimizers (default: scratch.optim)")
    parser.addoption("--reference", default="torch.nn", help="what it is compared with (default: torch.nn)")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # one process of several, each of which has a core to itself
        torch.set_num_threads(1)
    for option in ("--impl", "--optim", "--reference"):
        package = config.getoption(option)
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise pytest.UsageError(f"{option} {package}: {error}") from None


@pytest.fixture(scope="session")
def impl(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--impl")


@pytest.fixture(scope="session")
def optim(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--optim")


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--reference")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are computed fastest by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def case_parameters(cases: Iterable[Case], checks: Mapping[str, Check], impl: str, reference: str) -> list:
    """Every check of every case that both packages offer, under a readable id.

    The costliest check runs by default on the first case of a name; the others are slow tests (second_order, which
    compares with the reference, runs on all)."""
    parameters, begun = [], set()
    for name, case in identified(cases):
        if offers(impl, case.name) and offers(case.reference or reference, case.name):
            for name_of_check, check in checks.items():
                slow = name_of_check == "second_differences" and case.name in begun
                marks = [pytest.mark.slow] if slow else []
                parameters.append(pytest.param(case, check, id=f"{name}-{name_of_check}", marks=marks))
            begun.add(case.name)
    return parameters


def identified(cases: Iterable[Case]) -> Iterator[tuple[str, Case]]:
    """Cases that read alike, because they differ in their inputs only, are numbered."""
    seen: Counter[str] = Counter()
    for case in cases:
        name = str(case)
        seen[name] += 1
        yield (f"{name}#{seen[name]}" if seen[name] > 1 else name), case


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs a script, such as "eval", in an empty folder; gives its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(script: str, *words: str) -> int:
        from zoo.training.cli import command

        module = importlib.import_module(f"scripts.{script}")
        monkeypatch.setattr(sys, "argv", [f"scripts/{script}.py", *words])
        try:
            if hasattr(module, "task"):
                command(module.task, script, getattr(module, "offer_checkpoint", lambda words: None))
            else:
                module.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture
def start(call):
    """Runs scripts/train.py in an empty folder; gives its exit status."""
    return partial(call, "train")
