"""What several tests share. The options, and the fixtures impl, optim, reference and one_thread, are the plugin's."""

import importlib
import signal
import sys
from collections.abc import Iterable, Mapping
from functools import partial

import pytest
import torch

from handgrad_pytest import add_options, chosen
from scratch.testing import Case, Check
from scratch.testing.calls import TORCH
from scratch.testing.suite import identified, tasks

pytest_plugins = ["handgrad_pytest"]  # installed it is there by itself


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)
    parser.addoption("--device", default="cuda", help="where tests/gpu computes: cuda, or cpu to try the tests out")


def pytest_configure(config: pytest.Config) -> None:
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:  # as in the background of a shell: tests send them
            signal.signal(number, usual)
    config.addinivalue_line("markers", "gpu: for a GPU: run with -m gpu -n 0")
    if hasattr(config, "workerinput"):  # one process of several, each of which has a core to itself
        torch.set_num_threads(1)
    for option in ("--impl", "--optim", "--reference"):
        chosen(config, option)


def case_parameters(cases: Iterable[Case], checks: Mapping[str, Check], impl: str, reference: str) -> list:
    """Every check of every case that both packages offer, under a readable id."""
    cases = [case for case in cases if case.since <= TORCH]
    return [
        pytest.param(task.subject, task.run, id=task.id, marks=[pytest.mark.slow] if task.slow else [])
        for task in tasks(identified(cases), checks, impl, reference)
    ]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs a script, such as "eval", in an empty folder; gives its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(script: str, *words: str) -> int:
        module = importlib.import_module(f"scripts.{script}")
        monkeypatch.setattr(sys, "argv", [f"scripts/{script}.py", *words])
        try:
            module.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture
def start(call):
    """Runs scripts/train.py in an empty folder; gives its exit status."""
    return partial(call, "train")


@pytest.fixture
def no_compiler(monkeypatch):
    """A machine without a C++ compiler."""
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    from scratch.ops.core import compiler

    def missing():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", missing)
    asked = (compiler.compiler_works, compiler.say_that_none_works)
    for answer in asked:
        answer.cache_clear()
    yield
    for answer in asked:
        answer.cache_clear()
