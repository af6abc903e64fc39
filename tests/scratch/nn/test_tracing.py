"""torch.fx takes a layer as one node and a function as another, torch.jit.trace makes a program of the forward pass,
and torch.jit.script says why it does not."""

import io
import warnings

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

import scratch.nn
import scratch.nn.functional as F
from scratch import revert
from scratch.testing import Case
from scratch.testing.cases import CASES
from scratch.testing.running import Layer

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

FIRST: dict[str, Case] = {}
for case in CASES:
    FIRST.setdefault(case.name, case)
NOT_TRACED = ("CTCLoss", "functional.ctc_loss")  # torch.jit has no name for one of its operations
ONE_BATCH = ("rrelu", "dropout", "fractional", "gumbel", "pdist")  # other numbers for another, or no batch at all


class Net(scratch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = scratch.nn.Sequential(scratch.nn.Conv2d(3, 4, 3), scratch.nn.BatchNorm2d(4), scratch.nn.ReLU())
        self.own, self.head = Halved(4, 4), scratch.nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.body(x), 1).flatten(1)
        return F.log_softmax(self.head(F.gelu(self.own(x), approximate="tanh")), -1)


class Halved(scratch.nn.Linear):
    """A forward of its own is looked into, as that of a class derived from torch's layer."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) / 2


def test_symbolic_trace():
    model = Net().eval()
    graph = torch.fx.symbolic_trace(model)
    nodes = [(node.op, str(node.target)) for node in graph.graph.nodes if node.op.startswith("call_module")]
    assert nodes == [("call_module", name) for name in ("body.0", "body.1", "body.2", "head")]
    x = torch.randn(2, 3, 6, 6)
    assert torch.equal(graph(x), model(x))
    expected = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    for found, gradient in zip(torch.autograd.grad(graph(x).sum(), list(graph.parameters())), expected, strict=True):
        assert torch.equal(found, gradient)


@pytest.mark.parametrize("name", [name for name in FIRST if name not in NOT_TRACED])
def test_traced(name: str):
    """The program, saved and loaded, computes what the layer does; for another batch it does so, too, or refuses."""
    layer = Layer(FIRST[name], "scratch.nn")
    if layer.module is not None:
        layer.module.eval()
    inputs = layer.draw()[0]
    if not all(isinstance(value, Tensor) for value in inputs):
        pytest.skip("torch.jit.trace takes tensors only")
    inputs = [value.detach() for value in inputs]

    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = layer.module

        def forward(self, *inputs: Tensor):
            return layer.function(*inputs)

    def call(function, inputs: list[Tensor]) -> list[Tensor]:
        torch.manual_seed(0)
        return tree_leaves(function(*[value.clone() for value in inputs]))

    function = Called() if layer.module is not None else lambda *inputs: layer.function(*inputs)
    program = torch.jit.trace(function, tuple(value.clone() for value in inputs), check_trace=False)
    file = io.BytesIO()
    torch.jit.save(program, file)
    file.seek(0)
    program = torch.jit.load(file)
    torch.testing.assert_close(call(program, inputs), call(function, inputs), equal_nan=True)
    if any(word in name.lower() for word in ONE_BATCH) or not all(value.dim() for value in inputs):
        return
    inputs = [torch.cat([value, value.flip(0), value]) for value in inputs]
    try:
        expected, found = call(function, inputs), call(program, inputs)
    except (RuntimeError, ValueError):
        return
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_traced_program_is_for_inference():
    layer, x = scratch.nn.Linear(3, 2), torch.randn(4, 3)
    with pytest.warns(torch.jit.TracerWarning, match="the program is for inference: train the module itself"):
        program = torch.jit.trace(layer, x)
    assert not program(x).requires_grad
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        torch.jit.trace(layer, x)


@pytest.mark.parametrize(
    "model", [scratch.nn.Linear(3, 2), Net(), scratch.nn.LSTM(3, 2)], ids=lambda m: type(m).__name__
)
def test_script(model):
    with pytest.raises(RuntimeError, match=r"torch.jit.script cannot compile \w+, whose backward pass is Python; use"):
        torch.jit.script(model)
    if not isinstance(model, Net):  # whose forward calls our functions
        torch.jit.script(revert(model))
