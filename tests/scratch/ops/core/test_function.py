"""When a backward may work in place, and what meets in it."""

import pytest
import torch

from scratch.nn import functional as F
from scratch.ops.core import elementwise

POINTWISE = [
    *("sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "hardsigmoid", "hardtanh"),
    *("relu", "leaky_relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish"),
    *("hardshrink", "softshrink", "tanhshrink"),
]


@pytest.mark.parametrize("name", POINTWISE)
def test_a_batch_of_upstream_gradients(name: str) -> None:
    """vmap over the backward: the upstream gradient has a dimension that nothing saved has."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    y = getattr(F, name)(x)
    (batched,) = torch.autograd.grad(y, x, upstream, is_grads_batched=True, retain_graph=True)
    one_by_one = [torch.autograd.grad(y, x, one, retain_graph=True)[0] for one in upstream]
    torch.testing.assert_close(batched, torch.stack(one_by_one))


@pytest.mark.parametrize("name", POINTWISE)
def test_part_by_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What large tensors are spared: here two numbers at a time, of six."""
    x, upstream = torch.randn(2, 6, generator=torch.Generator().manual_seed(0)).unbind()
    x.requires_grad_()
    monkeypatch.setattr(elementwise, "PART", 2)
    found = []
    for large in (2**22, 1):
        monkeypatch.setattr(elementwise, "LARGE", large)
        y = getattr(F, name)(x)
        found.append((y, *torch.autograd.grad(y, x, upstream)))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", POINTWISE)
def test_the_jacobian_by_transforms(name: str) -> None:
    x = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = (torch.func.jacrev(getattr(f, name))(x) for f in (F, torch.nn.functional))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["relu", "threshold", "hardtanh"])
def test_a_gradient_that_does_not_change_has_the_second_derivative_0(name: str) -> None:
    """And no error, as where a graph is missing; the gradient itself goes on to whatever depends on it."""
    function = {"threshold": lambda x: F.threshold(x, 0.1, 0.2)}.get(name, getattr(F, name))
    x, y_bar = torch.randn(2, 5, dtype=torch.float64).unbind()
    x.requires_grad_()
    (x_bar,) = torch.autograd.grad(function(x), x, y_bar, create_graph=True)
    (second,) = torch.autograd.grad((x_bar * x).sum(), x)
    torch.testing.assert_close(second, x_bar.detach(), rtol=0, atol=0)
