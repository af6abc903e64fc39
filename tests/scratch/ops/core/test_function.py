"""When a backward may work in place, and what meets in it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.func import jacfwd, jacrev, jvp, vmap

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


KERNEL = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def network(f: Any, x: torch.Tensor) -> torch.Tensor:
    """Functions with options that are tuples, and with outputs that are not differentiable."""
    x = f.group_norm(f.conv1d(x[None], KERNEL, padding=1), 2)
    x = f.gelu(f.max_pool1d(x, 2, padding=1))[0]
    return f.cross_entropy(f.layer_norm(x, (4,)), torch.tensor([1, 0, 3, 2]))


NESTED: dict[str, Callable[..., Any]] = {
    "forward over forward": lambda f: jacfwd(jacfwd(f)),
    "forward over reverse": lambda f: jacfwd(jacrev(f)),
    "reverse over forward": lambda f: jacrev(jacfwd(f)),
    "reverse over reverse": lambda f: jacrev(jacrev(f)),
}


@pytest.mark.parametrize("order", NESTED)
def test_a_hessian_by_each_way(order: str) -> None:
    x = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hessian = NESTED[order](partial(network, F))(x)
    expected = torch.autograd.functional.hessian(partial(network, torch.nn.functional), x)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(hessian, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "gelu", "silu", "mish", "softplus"])
def test_the_third_derivative_by_forward_mode_alone(name: str) -> None:
    def tangent(f: Any) -> Any:
        return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]

    x = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = x.clone().requires_grad_()
    y = getattr(torch.nn.functional, name)(points)
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), points, create_graph=True)
    torch.testing.assert_close(tangent(tangent(tangent(getattr(F, name))))(x), y.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["conv1d", "group_norm", "max_pool1d", "interpolate"])
def test_a_tangent_over_vmap(name: str) -> None:
    """Whose options are tuples, which torch takes apart."""
    kernel = torch.randn(3, 4, 2, dtype=torch.float64)
    options = {"conv1d": (kernel,), "group_norm": (2,), "max_pool1d": (2,), "interpolate": (6,)}[name]

    def tangent(f: Any, x: torch.Tensor) -> torch.Tensor:
        return jvp(vmap(lambda x: getattr(f, name)(x, *options)), (x,), (x.sin(),))[1]

    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(tangent(F, x), tangent(torch.nn.functional, x), rtol=1e-10, atol=1e-12)


def test_the_tangent_of_complex_softsign() -> None:
    z, z_dot = torch.randn(2, 7, dtype=torch.complex128).unbind()
    ours, theirs = (torch.func.jvp(f, (z,), (z_dot,))[1] for f in (F.softsign, torch.nn.functional.softsign))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
