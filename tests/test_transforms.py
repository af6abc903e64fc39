"""vmap of gradients, and compilation as one graph: where torch's own layer goes through, so does ours."""

import pytest

from scratch.testing import TRANSFORM_CHECKS, Case
from scratch.testing.cases import CASES

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

FIRST: dict[str, Case] = {}
for case in CASES:
    FIRST.setdefault(case.name, case)


@pytest.mark.parametrize("name", FIRST)
def test_under_vmap(name):
    TRANSFORM_CHECKS["vmapped"](FIRST[name], "scratch.nn", "torch.nn")


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_compiled(name):
    TRANSFORM_CHECKS["compiled"](FIRST[name], "scratch.nn", "torch.nn")
