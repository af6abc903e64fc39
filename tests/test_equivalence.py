"""Every case of scratch/testing/cases under every check of the harness.

One test is one check of one case: ``test_case[Conv2d(3, 4, 3)-gradients]``. The package under test is
``--impl`` (default scratch.nn), the reference ``--reference`` (default torch.nn).
"""

from collections.abc import Iterable

import pytest

from scratch.testing import (
    BAD_ARGUMENT_CHECKS,
    CHECKS,
    CONTRACT_CHECKS,
    NUMBER_CHECKS,
    Case,
    Check,
    Missing,
    resolve,
)
from scratch.testing.cases import BAD_ARGUMENTS, CASES
from tests.conftest import case_parameters

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore"),  # the reference's own; which there are is one of the checks
]


def one_of_each(cases: Iterable[Case]) -> Iterable[Case]:
    """One case of each constructor call, and of each function."""
    return {case.name if case.is_function else str(case): case for case in cases}.values()


def first_of_each(cases: Iterable[Case]) -> Iterable[Case]:
    """One case of each name."""
    return {case.name: case for case in reversed([*cases])}.values()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    impl, reference = (metafunc.config.getoption(option) for option in ("--impl", "--reference"))
    if metafunc.function is test_name:
        metafunc.parametrize("name", sorted({case.name for case in CASES}))
        return
    cases, checks = {
        test_case: (CASES, CHECKS),
        test_contract: (one_of_each(CASES), CONTRACT_CHECKS),
        test_other_numbers: (first_of_each(CASES), NUMBER_CHECKS),
        test_bad_arguments: (BAD_ARGUMENTS, BAD_ARGUMENT_CHECKS),
    }[metafunc.function]
    metafunc.parametrize(("case", "check"), case_parameters(cases, checks, impl, reference))


def test_name(name: str, impl: str) -> None:
    """One line for each name that a package lacks; its cases are left out."""
    try:
        resolve(impl, name)
    except Missing as missing:
        if impl == "scratch.nn":
            raise
        pytest.skip(str(missing))


def test_case(case: Case, check: Check, impl: str, reference: str) -> None:
    check(case, impl, reference)


def test_other_numbers(case: Case, check: Check, impl: str, reference: str) -> None:
    check(case, impl, reference)


def test_contract(case: Case, check: Check, impl: str, reference: str) -> None:
    check(case, impl, reference)


def test_bad_arguments(case: Case, check: Check, impl: str, reference: str) -> None:
    check(case, impl, reference)
