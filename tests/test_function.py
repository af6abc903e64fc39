"""When a backward may work in place, and what meets in it."""

import importlib

import pytest
import torch

from scratch.nn import functional as F

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
def test_the_jacobian_by_transforms(name: str) -> None:
    x = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = (torch.func.jacrev(getattr(f, name))(x) for f in (F, torch.nn.functional))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["gelu", "linear_cross_entropy"])
def test_gradient_penalty_beside_its_loss(name: str) -> None:
    """Output and first derivative in one loss: their gradients meet in one backward and add up."""
    found = []
    for package in ("scratch.nn", "torch.nn"):
        f = getattr(importlib.import_module(f"{package}.functional"), name)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, 3, dtype=torch.float64, generator=generator).requires_grad_()
        weight = torch.randn(5, 3, dtype=torch.float64, generator=generator)
        y = (f(x) if name == "gelu" else f(x, weight, torch.tensor([0, 4, 2, 1]))).sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        found.append(torch.autograd.grad(y * y + slope.square().sum(), x)[0])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
