"""scratch.optim against torch.optim: tests/cases/optim.py under the harness, and training around them."""

import pytest
import torch

from scratch.testing import BAD_OPTIMIZER_CHECKS, OPTIMIZER_CHECKS
from tests.cases.optim import BAD, CASES, SAVED, one_of_each

FEW = [*one_of_each(CASES)]
IMPL, REFERENCE = "scratch.optim", "torch.optim"


@pytest.fixture(autouse=True)
def quick_seed(monkeypatch):
    """The harness seeds at every step; torch.manual_seed seeds all devices there might be, which takes longer
    than the step."""
    monkeypatch.setattr(torch, "manual_seed", torch.default_generator.manual_seed)


@pytest.fixture
def default_dtype():
    """Set the default dtype, for one test."""
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps(case):
    OPTIMIZER_CHECKS["steps"](case, IMPL, REFERENCE)


@pytest.mark.parametrize("case", SAVED, ids=str)
def test_state_moves_either_way(case, default_dtype):
    if case.name in ("NAdam", "ASGD"):
        # load_state_dict casts their numbers (mu_product, eta) to the dtype of the parameter. In float64
        # from the start, they are the same before and after; else torch would not agree with itself.
        default_dtype(torch.float64)
    OPTIMIZER_CHECKS["state_dict"](case, IMPL, REFERENCE)


@pytest.mark.parametrize("check", ["copies", "contract"])
@pytest.mark.parametrize("case", FEW, ids=str)
def test_contract(case, check):
    OPTIMIZER_CHECKS[check](case, IMPL, REFERENCE)


@pytest.mark.parametrize("check", BAD_OPTIMIZER_CHECKS)
@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad(case, check):
    BAD_OPTIMIZER_CHECKS[check](case, IMPL, REFERENCE)
