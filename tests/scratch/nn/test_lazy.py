"""Lazy layers before their first input; afterwards they are ordinary ones, with cases in cases/lazy.py."""

import pytest
import torch
from torch.nn.parameter import is_lazy

import scratch.nn as nn
from scratch.testing.contract import described

LAZY = {
    "LazyLinear": ((3,), (2, 5)),
    "LazyConv2d": ((4, 2), (1, 3, 4, 4)),
    "LazyConvTranspose1d": ((4, 2), (1, 3, 4)),
    "LazyBatchNorm1d": ((), (4, 3)),
    "LazyInstanceNorm2d": ((), (2, 3, 4, 4)),
}


@pytest.mark.parametrize("name", LAZY)
def test_before_the_first_input(name):
    args, shape = LAZY[name]
    lazy, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert described(lazy) == described(theirs)
    assert list(lazy.state_dict()) == list(theirs.state_dict())
    assert [*map(is_lazy, lazy.state_dict().values())] == [*map(is_lazy, theirs.state_dict().values())]
    lazy(torch.ones(shape))
    assert type(lazy) is getattr(nn, name.removeprefix("Lazy"))


@pytest.mark.parametrize("name", LAZY)
def test_takes_the_weights_of_its_namesake_as_they_are(name):
    args, shape = LAZY[name]
    source = getattr(torch.nn, name)(*args)
    source(torch.randn(shape))
    lazy = getattr(nn, name)(*args)
    lazy.load_state_dict(source.state_dict())
    lazy.eval()(torch.ones(shape))
    for key, value in source.state_dict().items():
        assert torch.equal(lazy.state_dict()[key], value)
    assert described(lazy) == described(source)


def test_a_model_written_for_torch_nn():
    model = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    nn.init.zeros_(model[3](model[2](model[1](model[0](torch.ones(1, 2, 3, 3))))))
    model(torch.ones(1, 2, 3, 3)).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert not any(map(is_lazy, model.parameters()))
