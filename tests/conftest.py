"""The suite is usable on anybody's package: ``pytest tests/test_equivalence.py --impl their.package``."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--impl", default="scratch.nn", help="the package under test (default: scratch.nn)")
    parser.addoption("--reference", default="torch.nn", help="what it is compared with (default: torch.nn)")


@pytest.fixture(scope="session")
def impl(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--impl")


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--reference")
