"""The forms in which ops and optimizers run: what is run, and that each gives the same numbers."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

import scratch
import scratch.nn as nn
import scratch.optim
from scratch.ops.core.forms import FORM, form
from scratch.ops.recurrent.lstm import LSTMFn
from scratch.optim.adam import adam
from scratch.testing import CHECKS, OPTIMIZER_CHECKS
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from scratch.testing.packages import offers

pytestmark = pytest.mark.usefixtures("one_thread")


def functions_called(task: Callable[[], Any]) -> set[Any]:
    """The code of every Python function that a task calls, as a debugger would meet it."""
    seen = set()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        task()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("name", ["plain", "scratch"])
def test_what_training_runs(name):
    """The textbook adjoint of an LSTM and the textbook rule of Adam in the plain form, and only there."""
    layer = nn.LSTM(3, 4)
    optimizer = scratch.optim.Adam(layer.parameters())

    def step() -> None:
        with form(name):
            layer(torch.randn(5, 2, 3))[0].sum().backward()
            optimizer.step()

    called = functions_called(step)
    for function in (LSTMFn.adjoint, adam):
        assert (function.__code__ in called) == (name == "plain")


def test_a_backward_pass_runs_in_the_form_of_its_forward_pass():
    layer = nn.LSTM(3, 4)
    with scratch.plain():
        loss = layer(torch.randn(5, 2, 3))[0].sum()
    assert LSTMFn.adjoint.__code__ in functions_called(loss.backward)


def test_an_unknown_form():
    with pytest.raises(ValueError, match="'fast': legal are plain, scratch, compiled"), form("fast"):
        pass
    assert FORM.get() == "scratch"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(0, len(CASES), 50))
def test_layers_in_textbook_form(number, impl):
    """Outputs and gradients of every case: what the fast form computes, the page's own formulas compute, too."""
    for case in CASES[number : number + 50]:
        if offers(case.reference or "torch.nn", case.name):
            with scratch.plain():
                CHECKS["gradients"](case, impl, "torch.nn")


@pytest.mark.parametrize("case", OPTIMIZER_CASES, ids=str)
def test_optimizers_in_textbook_form(case, optim):
    with scratch.plain():
        OPTIMIZER_CHECKS["steps"](case, optim, "torch.optim")
