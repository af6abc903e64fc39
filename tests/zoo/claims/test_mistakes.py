"""A mistake in the library turns a verdict: for some claims one is planted in the layer or optimizer they stand on."""

import sys
from types import ModuleType

import pytest
import torch
from torch.autograd import Function

import scratch.nn
import scratch.optim
from tests.zoo.claims.test_verdicts import EXPECTED
from zoo.claims.experiments import experiment, load
from zoo.claims.workbench import Implementation

pytestmark = pytest.mark.usefixtures("one_thread")


class HalfSlope(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 0.5 * g * (x > 0)


class ReLU(torch.nn.Module):
    """Its gradient lacks a factor of 2."""

    def forward(self, x):
        return HalfSlope.apply(x)


class Linear(scratch.nn.Linear):
    """bias=False is not heeded."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__(inputs, outputs)


class Sigmoid(scratch.nn.Sigmoid):
    def forward(self, x):
        return super().forward(1.01 * x)


class SinusoidalPositions(torch.nn.Module):
    """Forgotten."""

    def __init__(self, size):
        super().__init__()

    def forward(self, x):
        return x


class Conv1d(scratch.nn.Conv1d):
    """The last window is left out."""

    def forward(self, x):
        return super().forward(x)[..., :-1]


class SGD(scratch.optim.SGD):
    """Momentum is not heeded."""

    def __init__(self, params, lr, momentum=0, nesterov=False, moving_average=False):
        super().__init__(params, lr)


class Adam(scratch.optim.Adam):
    """The maximum inside v is not heeded."""

    def __init__(self, params, betas=(0.9, 0.999), amsgrad=False, monotone=False):
        super().__init__(params, betas=betas, amsgrad=amsgrad)


class Rprop(scratch.optim.SGD):
    """Takes the gradient's size, too."""


class CrossEntropyLoss(scratch.nn.CrossEntropyLoss):
    """The sum over the batch in place of the mean."""

    def __init__(self):
        super().__init__(reduction="sum")


PLANTED = [
    ("vanish_depth", ReLU),
    ("bias", Linear),
    ("sigmoid_wb", Sigmoid),
    ("loss_from_gradient", Sigmoid),
    ("order", SinusoidalPositions),
    ("conv_facts", Conv1d),
    ("momentum_ravine", SGD),
    ("saddle", SGD),
    ("max_in_v", Adam),
    ("rprop_nine_one", Rprop),
    ("unbiased", CrossEntropyLoss),
]


def package(base: ModuleType, name: str, *replaced: type) -> str:
    module = ModuleType(name)
    module.__dict__.update({key: value for key, value in vars(base).items() if not key.startswith("__")})
    for each in replaced:
        setattr(module, each.__name__, each)
    sys.modules[name] = module
    return name


@pytest.mark.parametrize(("name", "mistake"), PLANTED, ids=[f"{name}-{mistake.__name__}" for name, mistake in PLANTED])
def test_a_mistake_turns_the_verdict(name, mistake):
    optimizer = issubclass(mistake, torch.optim.Optimizer)
    layers = package(scratch.nn, "planted_nn", *([] if optimizer else [mistake]))
    optim = package(scratch.optim, "planted_optim", *([mistake] if optimizer else []))
    result = experiment(name, Implementation(layers, optim), [0], dict(load(name).QUICK))
    assert result["verdict"]["kind"] != EXPECTED[name]
