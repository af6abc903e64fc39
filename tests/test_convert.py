"""A converted model is the same model: parameters, state, hooks, outputs and gradients."""

import copy
import pickle

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import scratch.nn
from scratch import by_hand, convert
from scratch.testing import Audit, Case, resolve
from scratch.testing.cases import CASES
from scratch.testing.suite import identified

pytestmark = pytest.mark.usefixtures("one_thread")
LAYERS = {
    str(case): case
    for case in CASES
    if not case.is_function and hasattr(nn, case.name) and not case.name.startswith("Lazy")
}


def gradients(model: nn.Module, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and the gradients under a random upstream gradient."""
    output = model(*inputs)
    weights = dict(model.named_parameters())
    upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=output.dtype)
    found = torch.autograd.grad(output, list(weights.values()), upstream)
    return output, dict(zip(weights, found, strict=True))


def require_same(model: nn.Module, *inputs: Tensor) -> None:
    """Both sides of a conversion agree in outputs and every parameter's gradient to 1e-9."""
    ours = convert(model, strict=True)
    with by_hand(), Audit("scratch"):
        output, found = gradients(ours, *inputs)
    expected, reference = gradients(model, *inputs)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    assert found.keys() == reference.keys()
    for name, gradient in found.items():
        scale = reference[name].abs().max().item()
        torch.testing.assert_close(gradient, reference[name], rtol=0, atol=1e-9 * max(scale, 1e-3), msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in identified(LAYERS.values())])
def test_every_layer(case: Case):
    """The converted layer has the contents that a new one of scratch.nn would have, and shares its parameters."""
    args, kwargs, _ = case.draw_arguments()
    native, expected = (resolve(package, case.name)(*args, **kwargs) for package in ("torch.nn", "scratch.nn"))
    ours = convert(native, strict=True)
    assert type(ours) is type(expected)
    assert vars(expected).keys() <= vars(ours).keys()
    assert repr(ours) == repr(expected).replace("NonDynamicallyQuantizable", "")
    assert all(a is b for a, b in zip(native.parameters(), ours.parameters(), strict=True))
    copied = pickle.loads(pickle.dumps(copy.deepcopy(ours)))
    assert copied.state_dict().keys() == native.state_dict().keys()


class Net(nn.Module):
    """A bit of everything: a shared layer, a container, hooks, a function in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(4, 4)
        self.body = nn.Sequential(nn.LayerNorm(4), self.shared, nn.GELU(), self.shared)
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2)})
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softmax(self.heads["a"](self.body(x)), -1) * self.scale


def test_the_tree():
    native = Net().double().eval()
    native.shared.train()
    seen = []
    native.heads["a"].register_forward_hook(lambda module, args, output: seen.append(type(module)))
    before = [type(module) for module in native.modules()]
    ours = convert(native, strict=True)
    assert type(ours) is Net
    assert type(ours.body) is nn.Sequential
    assert type(ours.shared) is scratch.nn.Linear
    assert ours.body[1] is ours.shared is ours.body[3]
    assert [module.training for module in ours.modules()] == [module.training for module in native.modules()]
    assert before == [type(module) for module in native.modules()]
    ours(torch.ones(1, 4, dtype=torch.float64))
    assert seen == [scratch.nn.Linear]
    ours.heads["a"].register_forward_hook(lambda *_: seen.append("ours alone"))
    native(torch.ones(1, 4, dtype=torch.float64))
    assert seen == [scratch.nn.Linear, nn.Linear]
    ours.load_state_dict(native.state_dict(), strict=True)
    require_same(native, torch.randn(3, 4, dtype=torch.float64))


def test_a_lazy_layer_is_converted_after_its_first_input():
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(TypeError, match="LazyLinear"):
        convert(model)
    model(torch.ones(2, 5))
    assert type(convert(model)[0]) is scratch.nn.Linear


def test_what_has_no_counterpart_is_listed():
    class Odd(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return -super().forward(input)

    class Kept(nn.Linear):
        pass

    model = nn.Sequential(
        Odd(2, 2),
        Kept(2, 2),
        parametrizations.weight_norm(nn.Linear(2, 2)),
        nn.LogSoftmax(-1),
        nn.CrossMapLRN2d(2),
    )
    with pytest.raises(TypeError) as failure:
        convert(model, strict=True)
    message = str(failure.value)
    assert "0 (Odd): it has a forward of its own in place of that of Linear" in message
    assert "2 (ParametrizedLinear): its weights are parametrized" in message
    assert "4 (CrossMapLRN2d): scratch.nn has no CrossMapLRN2d" in message
    assert "(Kept)" not in message
    with pytest.warns(UserWarning, match="not converted: 0"):
        ours = convert(model)
    assert [type(layer) for layer in ours[:2]] == [Odd, scratch.nn.Linear]
    x = torch.randn(3, 2)
    assert torch.equal(ours[2](x), model[2](x))


def test_functions_by_hand():
    x = torch.randn(3, 4, requires_grad=True)
    with Audit("scratch"), by_hand():
        (x.softmax(-1) + nn.functional.gelu(x)).relu().sum().backward()


def test_transformer():
    torch.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, activation=nn.GELU(), batch_first=True).double()
    require_same(model, *(torch.randn(2, length, 8, dtype=torch.float64) for length in (5, 4)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 64), ("mobilenet_v3_small", 64), ("vit_b_16", 224), ("swin_t", 64)]
)
def test_torchvision(name: str, size: int):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).double().eval()
    require_same(model, torch.randn(1, 3, size, size, dtype=torch.float64))


class Hardsigmoid(nn.Module):
    """PyTorch's own takes 1/6 in single precision for its gradient: 1e-8 off, which in training adds up to 3e-8."""

    def forward(self, input: Tensor) -> Tensor:
        return (input + 3).clamp(0, 6) / 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_in_training(name: str):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).double()
    for module in list(model.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for child, layer in list(module.named_children()):
            if isinstance(layer, nn.Hardsigmoid):
                setattr(module, child, Hardsigmoid())
    require_same(model, torch.randn(2, 3, 64, 64, dtype=torch.float64))
