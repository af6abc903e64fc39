"""vmap, batches of upstream gradients, tensors without numbers, checkpoints, and compilation as one graph: where
torch's own layer goes through, so does ours."""

import pytest

from scratch.testing import TRANSFORM_CHECKS, Case
from scratch.testing.cases import CASES

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

FIRST: dict[str, Case] = {}
for case in CASES:
    FIRST.setdefault(case.name, case)


@pytest.mark.parametrize("check", ["vmapped", "batched_gradients", "shapes_alone", "checkpointed"])
@pytest.mark.parametrize("name", FIRST)
def test_transformed(name, check):
    TRANSFORM_CHECKS[check](FIRST[name], "scratch.nn", "torch.nn")


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_compiled(name):
    TRANSFORM_CHECKS["compiled"](FIRST[name], "scratch.nn", "torch.nn")
