"""Winograd's convolution against the textbook form of it."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from scratch.nn import functional as F
from scratch.ops import conv
from scratch.ops.conv import ConvFn, plan
from scratch.ops.conv_products import geometry
from scratch.ops.winograd import A, B, G, Winograd, winograd

SETTINGS = {  # size of x, of W, padding (right to left)
    "plain": ((3, 2, 7, 10), (4, 2, 3, 3), (0, 0, 0, 0)),
    "uneven": ((3, 2, 7, 8), (4, 2, 2, 3), (1, 2, 2, 1)),
    "one row, one tile": ((3, 2, 1, 3), (4, 2, 1, 3), (0, 0, 0, 0)),
    "kernel as large as x": ((3, 2, 3, 3), (4, 2, 3, 3), (0, 0, 0, 0)),
    "empty batch": ((0, 2, 5, 6), (4, 2, 3, 3), (1, 1, 1, 1)),
}


def tensors(x, weight):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in (x, weight, weight[:1])
    ]


def results(inputs, g):
    y = ConvFn.apply(*inputs, g)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    return y, *torch.autograd.grad(y, inputs, upstream)


def test_four_outputs_of_a_line():
    w, x = torch.randn(3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    torch.testing.assert_close(A.mT @ ((G @ w) * (B @ x)), x.unfold(0, 3, 1) @ w, rtol=1e-12, atol=1e-12)
    assert B.equal(B.round())


@pytest.mark.parametrize("part", [1, 2**19])
@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_the_textbook_form(name, part, monkeypatch):
    x, weight, padding = SETTINGS[name]
    inputs = tensors(x, weight)
    expected = results(inputs, geometry(x[2:], weight, (1, 1), padding, (1, 1), 1))
    monkeypatch.setattr(conv, "CACHE", part)
    for fast, textbook in zip(results(inputs, winograd(x[2:], weight, padding)), expected, strict=True):
        torch.testing.assert_close(fast, textbook, rtol=1e-12, atol=1e-12)


def test_exact_derivatives():
    weight, padding = (2, 2, 2, 3), (1, 0, 0, 1)
    g, inputs = winograd((3, 5), weight, padding), tensors((1, 2, 3, 5), weight)
    assert gradcheck(lambda *t: ConvFn.apply(*t, g), inputs, atol=1e-8, rtol=1e-6)
    assert gradgradcheck(lambda *t: ConvFn.apply(*t, g), inputs, atol=1e-8, rtol=1e-6)


def test_little_is_lost_in_float32():
    x, weight = (2, 256, 9, 12), (64, 256, 3, 3)
    inputs = tensors(x, weight)
    exact = results(inputs, geometry(x[2:], weight, (1, 1), (1,) * 4, (1, 1), 1))
    inputs = [t.detach().float().requires_grad_() for t in inputs]
    for ours, truth in zip(results(inputs, winograd(x[2:], weight, (1,) * 4)), exact, strict=True):
        assert (ours - truth).abs().max() < 3e-6 * truth.abs().max()


@pytest.mark.parametrize(
    ("weight", "stride", "groups", "narrow", "chosen"),
    [
        ((32, 32, 3, 3), 1, 1, False, True),
        ((32, 32, 5, 3), 1, 1, False, True),
        ((32, 32, 3, 5), 1, 1, False, False),
        ((32, 16, 3, 3), 1, 1, False, False),
        ((32, 32, 3, 3), 2, 1, False, False),
        ((64, 32, 3, 3), 1, 2, False, False),
        ((32, 32, 3, 3), 1, 1, True, False),
    ],
)
def test_where_it_is_chosen(weight, stride, groups, narrow, chosen):
    x = (4, weight[1] * groups, 14, 14)
    g = plan(x, weight, None, (stride, stride), (1,) * 4, (1, 1), groups, narrow)
    assert isinstance(g, Winograd) == chosen


def test_compiles_whole_and_batches():
    x, weight, bias = tensors((2, 32, 5, 6), (32, 32, 3, 3))
    expected = torch.autograd.grad(torch.conv2d(x, weight, bias, padding=1).sin().sum(), (x, weight, bias))

    def loss(*t):
        return F.conv2d(*t, padding=1).sin().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    batched = torch.func.vmap(torch.func.grad(loss, (0, 1, 2)), (None, 0, None))(x, weight[None], bias)
    for ours in (torch.autograd.grad(compiled(x, weight, bias), (x, weight, bias)), [t[0] for t in batched]):
        for a, b in zip(ours, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
