"""Every case of the table under every check, for pytest: ``pytest --pyargs scratch.testing --impl their.package.nn``.

One test is one check of one case: ``test_case[Conv2d(3, 4, 3)-gradients]``. The layers under test are ``--impl``
(default scratch.nn), the optimizers ``--optim`` (default scratch.optim), and the reference of layers ``--reference``.
"""

import pytest

from handgrad_pytest import chosen, judged, parameters
from scratch.testing import BAD_ARGUMENT_CHECKS, CONTRACT_CHECKS
from scratch.testing.plan import lacking
from scratch.testing.suite import Task, layer_tasks, optimizer_tasks

pytestmark = pytest.mark.usefixtures("one_thread")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    impl, optim, reference = (chosen(metafunc.config, option) for option in ("--impl", "--optim", "--reference"))
    if metafunc.function is test_name:
        metafunc.parametrize(("package", "name"), [(p, n) for p in (impl, optim) for n in lacking(p, p == optim)])
    elif metafunc.function is test_optimizer:
        metafunc.parametrize("task", parameters(optimizer_tasks(optim)))
    else:
        kind = {test_contract: CONTRACT_CHECKS, test_bad_arguments: BAD_ARGUMENT_CHECKS}.get(metafunc.function)
        tasks = layer_tasks(impl, reference)
        others = CONTRACT_CHECKS | BAD_ARGUMENT_CHECKS
        chosen_tasks = [t for t in tasks if (t.check in kind if kind else t.check not in others)]
        metafunc.parametrize("task", parameters(chosen_tasks))


def test_name(package: str, name: str) -> None:
    """One line for each name that a package lacks; its cases are left out."""
    if package in ("scratch.nn", "scratch.optim"):
        pytest.fail(f"{package} offers no {name}")
    pytest.skip(f"{package} offers no {name}")


def test_case(task: Task, impl: str, reference: str, request: pytest.FixtureRequest) -> None:
    judged(task, impl, reference, request)


@pytest.mark.contract
def test_contract(task: Task, impl: str, reference: str, request: pytest.FixtureRequest) -> None:
    judged(task, impl, reference, request)


@pytest.mark.errors
def test_bad_arguments(task: Task, impl: str, reference: str, request: pytest.FixtureRequest) -> None:
    judged(task, impl, reference, request)


@pytest.mark.optimizers
def test_optimizer(task: Task, optim: str, request: pytest.FixtureRequest) -> None:
    judged(task, optim, "torch.optim", request)
