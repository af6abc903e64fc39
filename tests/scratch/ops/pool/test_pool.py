"""Max-pooling's fast form against its textbook form: the gradient link by link, and the place of each maximum."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from scratch.nn import functional as F
from scratch.nn.functional.pool import windows_of
from scratch.ops.pool import pool_fast
from scratch.ops.pool.pool import MaxPoolFn, MaxPoolWithIndicesFn
from scratch.ops.pool.pool_fast import argmax, argmax_adjoint, hand_back

NAN, LOW = float("nan"), -torch.inf
OPTIONS = [  # kernel, stride, padding, dilation, ceil_mode
    (2, None, 0, 1, False),
    (3, 2, 1, 1, False),
    ((3, 2), 1, (1, 0), 1, False),
    (2, 1, 1, 3, False),
    ((4, 3), 2, (2, 1), 2, True),
    (3, 4, 1, 1, True),
    (1, 2, 0, 1, False),
]


def ties(generator):
    return torch.randint(3, (2, 3, 9, 8), generator=generator).double()


def with_nan(generator):
    x = ties(generator)
    return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.2, NAN)


def mostly_lowest(generator):
    x = ties(generator)
    return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.9, LOW)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("make", [ties, with_nan, mostly_lowest])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradient_goes_to_the_argmax(options, make, last):
    generator = torch.Generator().manual_seed(0)
    x = make(generator)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    windows = windows_of(x, 2, *options)
    y_bar = torch.randn(2, 3, *windows.output, generator=generator, dtype=x.dtype)
    y_bar[0, 0, 0, 0] = torch.inf
    fast = hand_back(x, y_bar, windows)
    assert fast.stride() == x.stride()
    expected = MaxPoolFn.adjoint(y_bar, x, windows)
    torch.testing.assert_close(fast, expected, rtol=1e-12, atol=1e-12)
    by_place = argmax_adjoint([True], y_bar, argmax(x, windows)[1], windows)
    torch.testing.assert_close(by_place, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [ties, with_nan, mostly_lowest])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_argmax_is_torchs(options, make):
    x = make(torch.Generator().manual_seed(0))
    _, expected = torch.nn.functional.max_pool2d(x, *options, return_indices=True)
    assert torch.equal(F.max_pool2d(x, *options, return_indices=True)[1], expected)
    assert torch.equal(MaxPoolWithIndicesFn.value(x, windows_of(x, 2, *options))[1], expected)


def test_a_window_in_the_padding_hands_nothing_back():
    """Its place is beyond the image, where PyTorch writes (docs/torch-errors.md)."""
    x = torch.zeros(2, 3, 1, dtype=torch.float64, requires_grad=True)
    y, place = F.max_pool1d(x, 2, 1, 1, 2, return_indices=True)
    assert (y == -torch.inf).all()
    assert (place == 1).all()
    assert torch.equal(torch.autograd.grad(y, x, torch.ones_like(y))[0], torch.zeros_like(x))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_compiles_whole(name):
    x = ties(torch.Generator().manual_seed(0)).requires_grad_()
    function = getattr(F, name)
    compiled = torch.compile(lambda x: function(x, 3, 2, 1), fullgraph=True, backend="aot_eager")
    (expected,) = torch.autograd.grad(function(x, 3, 2, 1).sin().sum(), x)
    (found,) = torch.autograd.grad(compiled(x).sin().sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_a_batch_in_parts(monkeypatch, name):
    x = ties(torch.Generator().manual_seed(0)).requires_grad_()
    (whole,) = torch.autograd.grad(getattr(F, name)(x, 3, 2, 1).sin().sum(), x)
    monkeypatch.setattr(pool_fast, "PART", 1)
    (parts,) = torch.autograd.grad(getattr(F, name)(x, 3, 2, 1).sin().sum(), x)
    assert torch.equal(parts, whole)


class Counted(TorchDispatchMode):
    """How many operations run."""

    number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.number += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d", "adaptive_max_pool1d", "adaptive_avg_pool1d"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_long_windows_take_no_operation_for_each_number(name, outputs):
    """An operation for each of 30 000 numbers would take seconds, and minutes for millions."""
    x = torch.randn(1, 2, 30_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    option = outputs if name.startswith("adaptive") else x.shape[-1] // outputs
    with Counted() as counted:
        y = getattr(F, name)(x, option)
        (found,) = torch.autograd.grad(y.square().sum(), x)
    assert counted.number < 200
    expected = getattr(torch.nn.functional, name)(x, option)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, torch.autograd.grad(expected.square().sum(), x)[0], rtol=1e-12, atol=1e-12)
