"""Under torch.autocast every layer does what torch's does: the type of the result, gradients in the parameters' types,
and no more rounding."""

from collections import defaultdict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from scratch.nn import functional as F
from scratch.testing.cases import Case
from scratch.testing.compare import leaves, mapped, relative_error
from scratch.testing.running import Layer, Outcome, in_dtype, pair, run
from tests.cases import CASES

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

NARROW = torch.bfloat16
RECURRENT = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
# Torch's recurrent layers give float32 or bfloat16 on a CPU, as it comes: other kernels for padded and packed
# sequences. On a GPU they always give the narrow type, and so do ours everywhere.

BY_NAME: dict[str, list[Case]] = defaultdict(list)
for case in CASES:
    BY_NAME[case.name].append(case)


def under_autocast(layer: Layer, inputs: torch.dtype) -> Outcome:
    """Parameters in float32, inputs as they come out of the layer before: in float32 or in autocast's type."""
    plain = layer.function

    def function(*values):
        values = mapped(lambda t: t.to(inputs) if t.dtype is torch.float32 else t, values)
        with torch.autocast("cpu", NARROW):
            return plain(*values)

    layer.function = function
    return run(layer)


def numbers(outcome: Outcome) -> dict[str, Tensor]:
    found = [*leaves(outcome.output, "output"), *leaves(outcome.gradient, "gradient")]
    return {path: t.to_dense() for path, t in found if isinstance(t, Tensor) and t.is_floating_point()}


@pytest.mark.parametrize("inputs", [torch.float32, NARROW], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", BY_NAME)
def test_as_torch_does(name, inputs):
    for case in BY_NAME[name]:
        single = in_dtype(torch.float32, NARROW)
        ours, theirs = pair(case, "scratch.nn", "torch.nn", single)
        truth = numbers(run(pair(case, "scratch.nn", "torch.nn", in_dtype(torch.float64, NARROW))[1]))
        try:
            expected = numbers(under_autocast(theirs, inputs))
        except RuntimeError:  # torch's own does not work like this
            continue
        actual = numbers(under_autocast(ours, inputs))
        assert actual.keys() == expected.keys(), case
        for path, tensor in actual.items():
            wanted = NARROW if name in RECURRENT and path.startswith("output") else expected[path].dtype
            assert tensor.dtype is wanted, (case, path)
            if case.bfloat16 and torch.isfinite(truth[path]).all():
                error, theirs_is = (relative_error(t, truth[path], floor=1.0) for t in (tensor, expected[path]))
                assert error <= max(2 * theirs_is, 4 * torch.finfo(NARROW).eps), (case, path)


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
