"""The pytest plugin: ``pytest --pyargs scratch.testing --impl their.package.nn`` runs the harness on any package.

It lies outside of `scratch` and imports nothing at first, for pytest loads it at every start in an environment where
Handgrad is installed; and it adds its options only where they are asked for, lest they clash with those of others.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

OPTIONS = {
    "--impl": ("scratch.nn", "the layers under test"),
    "--optim": ("scratch.optim", "the optimizers under test"),
    "--reference": ("torch.nn", "what layers are compared with"),
    "--form": ("scratch", "the form in which Handgrad's own ops run: plain, scratch or compiled"),
}
MARKERS = {
    "slow": "takes minutes: run with -m slow",
    "contract": "signature, initial weights, state_dict, copies, repr",
    "errors": "what the reference refuses",
    "optimizers": "steps and state of optimizers",
}


def add_options(parser: pytest.Parser) -> None:
    for option, (default, text) in OPTIONS.items():
        with contextlib.suppress(ValueError):  # added before
            parser.addoption(option, default=default, help=f"{text} (default: {default})")


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    if any(word == "scratch.testing" or word.startswith("scratch/testing") for word in args):
        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    form = config.getoption("form", "scratch")
    if form != "scratch":
        from scratch.ops.core import forms

        stack = contextlib.ExitStack()
        try:
            stack.enter_context(forms.form(form))
        except ValueError as error:
            raise pytest.UsageError(f"--form: {error}") from None
        config.add_cleanup(stack.close)


def chosen(config: pytest.Config, option: str) -> Any:
    """What an option names; it is imported, so that a wrong name ends in one line."""
    package = config.getoption(option.removeprefix("--"), OPTIONS[option][0])
    from scratch.testing import load

    try:
        load(package)
    except ImportError as error:
        raise pytest.UsageError(f"{option} {package}: {error}") from None
    return package


@pytest.fixture(scope="session")
def impl(request: pytest.FixtureRequest) -> str:
    return chosen(request.config, "--impl")


@pytest.fixture(scope="session")
def optim(request: pytest.FixtureRequest) -> str:
    return chosen(request.config, "--optim")


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> str:
    return chosen(request.config, "--reference")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are computed fastest by one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parameters(tasks: Iterable[Any]) -> list[Any]:
    """Tasks of `scratch.testing.suite` as pytest parametrises a test by them."""
    return [pytest.param(task, id=task.id, marks=[pytest.mark.slow] if task.slow else []) for task in tasks]


def judged(task: Any, candidate: str, reference: str, request: pytest.FixtureRequest) -> None:
    """Perform a task; a failure tells the cause, the numbers and the command that runs it again."""
    from scratch.testing.report import Report, told_of
    from scratch.testing.suite import perform

    result = perform(task, candidate, reference)
    if result.status == "passed":
        return
    report = Report(candidate, reference, f"python -m scratch.testing {candidate}", results=[result])
    text = told_of(report)
    if result.status == "failed":
        request.node.user_properties.append(("handgrad", (candidate, reference, asdict(result))))
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Each cause once, after all failures."""
    found = [
        value
        for failure in terminalreporter.stats.get("failed", [])
        for name, value in getattr(failure, "user_properties", [])
        if name == "handgrad"
    ]
    if not found:
        return
    from scratch.testing.findings import Finding
    from scratch.testing.report import Report, told_of
    from scratch.testing.suite import Result

    terminalreporter.section("causes, each once")
    for candidate, reference in dict.fromkeys((candidate, reference) for candidate, reference, _ in found):
        report = Report(candidate, reference, f"python -m scratch.testing {candidate}")
        for _, _, fields in [value for value in found if value[:2] == (candidate, reference)]:
            report.results.append(Result(**{**fields, "finding": Finding(**fields["finding"])}))
        terminalreporter.write_line(told_of(report))
