"""What docs/backpropagation.md states: the likelihood, the four equations, the order of the backward passes."""

import pytest
import torch
from torch.autograd import Function

import scratch.nn as nn
from scratch.nn import functional as F


def test_cross_entropy_is_the_mean_negative_log_likelihood():
    z, y = torch.randn(7, 4, dtype=torch.float64), torch.randint(4, (7,))
    likelihood = z.softmax(1)[range(7), y].prod()
    assert float(F.cross_entropy(z, y)) == pytest.approx(float(-likelihood.log() / 7), rel=1e-12)


def test_the_four_equations():
    """Of a perceptron with three layers, in plain matrices, against scratch's backward passes."""
    x, y = torch.randn(6, 5, dtype=torch.float64), torch.randint(3, (6,))
    linear = [nn.Linear(*sizes).double() for sizes in ((5, 8), (8, 7), (7, 3))]
    model = torch.nn.Sequential(linear[0], nn.Tanh(), linear[1], nn.Tanh(), linear[2])
    F.cross_entropy(model(x), y).backward()
    a, z = [x], []
    for layer in linear:
        z.append(a[-1] @ layer.weight.detach().t() + layer.bias.detach())
        a.append(z[-1].tanh())
    delta = (z[-1].softmax(1) - torch.eye(3, dtype=torch.float64)[y]) / 6  # (1)
    for number in (2, 1, 0):
        if number < 2:
            delta = (delta @ linear[number + 1].weight.detach()) * (1 - z[number].tanh() ** 2)  # (2)
        torch.testing.assert_close(linear[number].weight.grad, delta.t() @ a[number], rtol=1e-10, atol=1e-14)  # (3)
        torch.testing.assert_close(linear[number].bias.grad, delta.sum(0), rtol=1e-10, atol=1e-14)  # (4)


called: list[float] = []


class Scaled(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        called.append(ctx.factor)
        return grad * ctx.factor, None


def test_backward_runs_in_reverse_once_all_gradients_are_there_and_they_add():
    called.clear()
    x = torch.tensor(1.0, requires_grad=True)
    h = Scaled.apply(x, 2.0)
    (Scaled.apply(h, 3.0) + Scaled.apply(Scaled.apply(h, 5.0), 7.0)).backward()
    assert called[-1] == 2.0  # once, after both of its uses
    assert called.count(2.0) == 1
    assert called.index(7.0) < called.index(5.0)
    assert x.grad == 2 * (3 + 5 * 7)
    Scaled.apply(x, 2.0).backward()
    assert x.grad == 2 * (3 + 5 * 7) + 2
