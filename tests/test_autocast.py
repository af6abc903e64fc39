"""Under torch.autocast every layer does what torch's does: the type of the result, gradients in the parameters' types,
and no more rounding."""

from collections import defaultdict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from scratch.nn import functional as F
from scratch.testing import TRANSFORM_CHECKS, Case
from tests.cases import CASES

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

BY_NAME: dict[str, list[Case]] = defaultdict(list)
for case in CASES:
    BY_NAME[case.name].append(case)


@pytest.mark.parametrize("name", BY_NAME)
def test_as_torch_does(name):
    for case in BY_NAME[name]:
        TRANSFORM_CHECKS["autocast"](case, "scratch.nn", "torch.nn")


ON_A_GPU: dict[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("cross_entropy", "nll_loss"), lambda f, x, y, classes: f(x, classes)),
    **dict.fromkeys(("mse_loss", "binary_cross_entropy_with_logits"), lambda f, x, y, classes: f(x, y)),
    **dict.fromkeys(("softmax", "log_softmax"), lambda f, x, y, classes: f(x, -1)),
    **dict.fromkeys(("layer_norm", "rms_norm"), lambda f, x, y, classes: f(x, (6,))),
    **dict.fromkeys(("gelu", "tanh", "sigmoid", "relu", "logsigmoid"), lambda f, x, y, classes: f(x)),
    "pad": lambda f, x, y, classes: f(x, (1, 1), "reflect"),
    "linear": lambda f, x, y, classes: f(x, y.float()),
}


@pytest.mark.parametrize("name", ON_A_GPU)
def test_types_on_a_gpu(name):
    """A GPU widens more than a CPU does. Tensors without numbers tell, also where there is none."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.float16)
    try:
        with FakeTensorMode():
            x, y = (torch.rand(4, 6, device="cuda", dtype=torch.float16) for _ in range(2))
            classes = torch.zeros(4, dtype=torch.long, device="cuda")
            ours, theirs = (
                ON_A_GPU[name](getattr(package, name), x, y, classes) for package in (F, torch.nn.functional)
            )
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
    assert ours.dtype is theirs.dtype
