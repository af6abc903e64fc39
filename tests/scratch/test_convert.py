"""A converted model is the same model: parameters, state, hooks, outputs and gradients."""

import copy
import pickle
import re
import warnings
from collections import OrderedDict
from functools import partial
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils._pytree import tree_leaves
from torchmetrics.classification import BinaryAccuracy

import scratch.nn
from scratch import audit, by_hand, convert, revert
from scratch.testing import Audit, Case, resolve
from scratch.testing.cases import CASES
from scratch.testing.suite import identified

pytestmark = pytest.mark.usefixtures("one_thread")
LAYERS = {
    str(case): case
    for case in CASES
    if not case.is_function and hasattr(nn, case.name) and not case.name.startswith("Lazy")
}


def gradients(model: nn.Module, *inputs: Any, **named: Any) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The outputs, and the gradients under random upstream gradients."""
    torch.manual_seed(1)  # of dropout
    outputs = [leaf for leaf in tree_leaves(model(*inputs, **named)) if isinstance(leaf, Tensor) and leaf.requires_grad]
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    generator = torch.Generator().manual_seed(1)
    upstream = [torch.randn(output.shape, generator=generator, dtype=output.dtype) for output in outputs]
    found = torch.autograd.grad(outputs, list(weights.values()), upstream, allow_unused=True)
    return outputs, {name: gradient for name, gradient in zip(weights, found, strict=True) if gradient is not None}


def require_same(model: nn.Module, *inputs: Any, within: float = 1e-9, **named: Any) -> None:
    """Both sides of a conversion agree in all outputs and every parameter's gradient, in float64 to 1e-9."""
    ours = convert(model, strict=True)
    with by_hand(), Audit():
        outputs, found = gradients(ours, *inputs, **named)
    expected, reference = gradients(model, *inputs, **named)
    torch.testing.assert_close(outputs, expected, rtol=within, atol=within)
    assert found.keys() == reference.keys()
    for name, gradient in found.items():
        scale = max(reference[name].abs().max().item(), 1e-3)
        torch.testing.assert_close(gradient, reference[name], rtol=0, atol=within * scale, msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in identified(LAYERS.values())])
def test_every_layer(case: Case):
    """The converted layer has the contents that a new one of scratch.nn would have, and shares its parameters."""
    args, kwargs, _ = case.draw_arguments()
    native, expected = (resolve(package, case.name)(*args, **kwargs) for package in ("torch.nn", "scratch.nn"))
    ours = convert(native, strict=True)
    assert type(ours) is type(expected)
    assert vars(expected).keys() <= vars(ours).keys()
    assert repr(ours) == repr(expected)
    assert all(a is b for a, b in zip(native.parameters(), ours.parameters(), strict=True))
    copied = pickle.loads(pickle.dumps(copy.deepcopy(ours)))
    assert copied.state_dict().keys() == native.state_dict().keys()
    back = revert(ours)
    assert type(back) is type(native)
    assert repr(back) == repr(native)
    assert vars(back).keys() == vars(native).keys()
    assert all(a is b for a, b in zip(native.parameters(), back.parameters(), strict=True))


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


class Odd(nn.Linear):
    """A forward of its own that calls its base's."""

    def forward(self, input: Tensor) -> Tensor:
        return -super().forward(input)


class Kept(nn.Linear):
    """No forward of its own, and another method."""

    def twice(self, input: Tensor) -> Tensor:
        return 2 * self(input)


class Standardised(nn.Conv2d):
    """Weight standardisation as it is often written."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


class Explicit(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.conv2d(input, self.weight, self.bias, self.stride, self.padding)


@pytest.mark.parametrize("layer", [Odd(4, 3), Kept(4, 3), Standardised(4, 3, 2), Explicit(4, 3, 2)], ids=repr)
def test_classes_derived_from_torchs(layer: nn.Module):
    """They are of their own class still, and by hand."""
    layer = copy.deepcopy(layer).double()
    x = torch.randn((2, 4) if isinstance(layer, nn.Linear) else (2, 4, 5, 5), dtype=torch.float64)
    require_same(layer, x)
    ours = convert(layer, strict=True)
    assert isinstance(ours, type(layer))
    assert isinstance(ours, getattr(scratch.nn, type(layer).__bases__[0].__name__))
    with by_hand():
        assert audit(ours, x) == []
    for copied in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert type(copied) is type(ours)
        assert torch.equal(copied(x), ours(x))
    assert type(revert(ours)) is type(layer)
    if isinstance(layer, Kept):
        assert torch.equal(ours.twice(x), 2 * ours(x))


class Asks(nn.Module):
    """As HRNet and others choose their way by what their parts are."""

    def __init__(self) -> None:
        super().__init__()
        self.skip, self.norm, self.conv = nn.Identity(), nn.LayerNorm(4), Standardised(4, 4, 1)
        self.branches = nn.ModuleList([nn.Sequential(nn.Linear(4, 4)), nn.Identity()])

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.skip, nn.Identity) and isinstance(self.norm, (nn.LayerNorm, nn.BatchNorm2d)):
            x = x + 1
        for branch in self.branches:
            x = x + 1 if isinstance(branch, nn.Identity) else branch(x)
        return self.norm(self.conv(x[..., None, None]).flatten(1)) if isinstance(self.conv, Standardised) else x


def test_isinstance_within_forward():
    require_same(Asks().double(), torch.randn(3, 4, dtype=torch.float64))


class Frozen(OrderedDict):
    """As diffusers and Lightning keep their options: a dict that is made of something else than a dict, and whose
    copy is a plain one."""

    def __init__(self, options: list) -> None:
        super().__init__(options)
        self.__dict__.update(options)

    def copy(self) -> dict:
        return dict(self)


class Configured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self._internal_dict = Frozen([("size", 4)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self._internal_dict.size


class Hyper(lightning.LightningModule):
    def __init__(self, size: int = 4, rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(self.hparams.size, self.hparams["size"])
        self.accuracy = BinaryAccuracy()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.hparams.rate


@pytest.mark.parametrize("model", [Configured, Hyper])
def test_private_dictionaries(model: type[nn.Module]):
    """Only Module's own are copied."""
    native = model().double()
    require_same(native, torch.randn(3, 4, dtype=torch.float64))
    ours = convert(native)
    for name in ("_internal_dict", "hparams"):
        if hasattr(native, name):
            assert type(getattr(ours, name)) is type(getattr(native, name))
    if isinstance(native, Hyper):  # a metric binds methods to itself
        ours.accuracy.update(torch.tensor([1]), torch.tensor([1]))
        assert native.accuracy.update_count == 0


class Roundabout(nn.Module):
    """It keeps its layers where Module does not see them, and methods of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.hidden = [nn.Linear(4, 4), {"last": (nn.Linear(4, 4),)}]
        self.call, self.scaled = self.first.forward, partial(self.scale, 2.0)

    def scale(self, by: float, x: Tensor) -> Tensor:
        return by * self.first(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[1]["last"][0](self.hidden[0](self.call(x) + self.scaled(x)))


def test_layers_and_methods_in_other_places():
    native = Roundabout()
    ours = convert(native)
    assert ours.call.__self__ is ours.first
    assert ours.scaled.func.__self__ is ours
    assert audit(ours, torch.randn(3, 4)) == []
    assert not any(isinstance(layer, scratch.nn.Linear) for layer in (native.first, native.hidden[0]))


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm, nn.utils.weight_norm])
def test_parametrized(norm):
    native = norm(nn.Linear(4, 3)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = convert(native)
    x = torch.randn(2, 4)
    torch.testing.assert_close(ours(x), native(x))
    assert isinstance(ours, scratch.nn.Linear)
    assert torch.equal(revert(ours)(x), native(x))
    if norm is nn.utils.weight_norm:
        return
    assert torch.equal(copy.deepcopy(ours)(x), ours(x))
    nn.utils.parametrize.remove_parametrizations(ours, "weight")
    assert type(ours) is scratch.nn.Linear


def test_what_has_no_counterpart_is_listed():
    model = nn.Sequential(
        Odd(2, 2), nn.CrossMapLRN2d(2), nn.LogSoftmax(-1), nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 2)))
    )
    lines = """
    1 (CrossMapLRN2d): scratch.nn has no CrossMapLRN2d
    3.0.parametrizations.weight.0 (_WeightNorm): scratch.nn has no _WeightNorm"""
    with pytest.raises(TypeError, match=re.escape(lines) + "$"):
        convert(model, strict=True)
    with pytest.warns(UserWarning, match=re.escape(lines) + "$"):
        ours = convert(model)
    assert type(ours[1]) is nn.CrossMapLRN2d


def test_programs():
    """A compiled model is refused, a scripted part stays, a traced graph is converted."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    x = torch.randn(3, 4)
    graph = convert(torch.fx.symbolic_trace(model))
    assert audit(graph, x) == []
    assert torch.allclose(graph(x), model(x))
    with pytest.raises(TypeError, match="convert the model first"):
        convert(nn.Sequential(torch.compile(model)))
    model[0].compile()
    with pytest.raises(TypeError, match="convert the model first"):
        convert(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Linear(4, 4))
        assert convert(nn.Sequential(scripted))[0] is scripted


FUNCTIONS = {
    "methods": lambda x: (x.softmax(-1, torch.float32) + x.sigmoid().tanh() + x.log_softmax(1)).relu(),
    "functions": lambda x: torch.selu(torch.layer_norm(torch.softmax(x, 1), (4,))) + torch.dropout(x, 0.0, True),
    "functional": lambda x: nn.functional.gelu(nn.functional.linear(x, x)),
    "special": lambda x: torch.special.expit(x) + torch.special.softmax(x, 0),
    "images": lambda x: torch.max_pool2d(torch.group_norm(x[None, None], 1), 2, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_hand(name: str):
    function = FUNCTIONS[name]
    x = torch.randn(3, 4, requires_grad=True)
    with Audit(), by_hand():
        found = function(x)
        (gradient,) = torch.autograd.grad(found.square().sum(), x)
    expected = function(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.square().sum(), x)[0])


class View(nn.Module):
    """How many people flatten: it takes what lies in memory without gaps and in order."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.view(*self.shape)


class Permuted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).softmax(-1).view(-1, x.shape[1])


FLATTENED = {
    "the network of PyTorch's tutorial": lambda: nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(View(-1, 16), nn.Linear(16, 3)),
    ),
    "a Gram matrix of style": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), View(8, 256)),
    "an autoencoder": lambda: nn.Sequential(
        *(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), View(2, -1), nn.Linear(256, 256), View(2, 4, 8, 8)),
        *(nn.ConvTranspose2d(4, 3, 3, 2, 1, 1), nn.Sigmoid(), View(-1)),
    ),
    "a head of detections": lambda: nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), Permuted()),
    "super-resolution": lambda: nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), View(2, -1)),
    "sentences": lambda: nn.Sequential(View(2, 3, 256), nn.Conv1d(3, 4, 3), nn.AvgPool1d(2), View(2, -1)),
}


@pytest.mark.parametrize("name", FLATTENED)
def test_what_is_flattened_by_view(name: str):
    """Outputs between layers, the gradients of all weights, and that of the input, as gradient penalties flatten it."""
    torch.manual_seed(0)
    model = FLATTENED[name]().double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    require_same(model, x)
    with by_hand():
        loss = convert(model)(x).square().sum()
        for gradient in torch.autograd.grad(loss, [x, *model.parameters()], create_graph=True):
            gradient.view(-1)


def test_out_is_left_to_torch():
    y = torch.empty(3)
    with by_hand():
        assert torch.sigmoid(torch.ones(3), out=y) is y


def test_transformer():
    torch.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, activation=nn.GELU(), batch_first=True).double()
    require_same(model, *(torch.randn(2, length, 8, dtype=torch.float64) for length in (5, 4)))
