"""Where naive formulas overflow, cancel or make NaN, the hand-written ones do not."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scratch.nn import functional as F
from scratch.testing.calls import TORCH

NARROW = [torch.float32, torch.float16, torch.bfloat16]
NATIVE = torch.nn.functional


def targets(x: Tensor) -> Tensor:
    return torch.arange(len(x)) % x.shape[1]


ELEMENTWISE = {
    name: lambda f, x, name=name: getattr(f, name)(x)
    for name in (
        *("sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "hardsigmoid", "hardtanh"),
        *("relu", "leaky_relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "glu"),
        *("hardshrink", "softshrink", "tanhshrink"),
    )
} | {"gelu tanh": lambda f, x: f.gelu(x, approximate="tanh")}
BY_ROW = {
    "softmax": lambda f, x: f.softmax(x, 1),
    "log_softmax": lambda f, x: f.log_softmax(x, 1),
    "cross_entropy": lambda f, x: f.cross_entropy(x, targets(x), reduction="none"),
    "cross_entropy, smooth": lambda f, x: f.cross_entropy(x, targets(x), label_smoothing=0.1, reduction="none"),
    "cross_entropy, probabilities": lambda f, x: f.cross_entropy(x, NATIVE.one_hot(targets(x), 3).to(x.dtype)),
}
BINARY = {
    f"binary_cross_entropy_with_logits, {t}": lambda f, x, t=t: f.binary_cross_entropy_with_logits(
        x, torch.full_like(x, t), reduction="none"
    )
    for t in (0.0, 0.5, 1.0)
}


def nasty(dtype: torch.dtype) -> Tensor:
    """Zeros, subnormals, where exponentials end, the largest numbers, infinities."""
    info = torch.finfo(dtype)
    sizes = [0.0, info.tiny / 4, info.tiny, info.eps, 1.0, 10.0, 17.0, 88.0, 89.0, 104.0, 1000.0, info.max]
    return torch.tensor([sign * size for size in (*sizes, math.inf) for sign in (1, -1)]).to(dtype)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", [*ELEMENTWISE, *BY_ROW, *BINARY])
def test_no_nan_where_pytorch_has_none(name: str, dtype: torch.dtype) -> None:
    function: Callable[..., Tensor] = (ELEMENTWISE | BY_ROW | BINARY)[name]
    x = nasty(dtype)
    x = torch.cartesian_prod(x, x, x) if name in BY_ROW else x
    results = []
    for package in (F, NATIVE):
        leaf = x.clone().requires_grad_()
        output = function(package, leaf)
        upstream = torch.linspace(-1, 2, output.numel()).view_as(output)
        (gradient,) = torch.autograd.grad(output, leaf, upstream.to(dtype))
        results.append((output, gradient))
    for ours, theirs in zip(*results, strict=True):
        new = ours.isnan() & ~theirs.isnan()
        assert not new.any(), f"NaN at {x[new.nonzero()[0, 0]].tolist()}, where PyTorch has {theirs[new][0]}"


def test_relu_blocks_an_infinite_gradient() -> None:
    x = torch.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    F.relu(x).sqrt().sum().backward()  # d√y/dy is infinite at 0
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 0.25]


def test_a_small_probability_keeps_its_digits() -> None:
    x = torch.tensor([40.0, 300.0, -1000.0], dtype=torch.float64)
    assert torch.allclose(F.logsigmoid(x)[:2], -torch.exp(-x[:2]), rtol=1e-12, atol=0)  # naive: 0
    assert F.logsigmoid(x)[2] == -1000  # naive: −inf
    rows = torch.tensor([[0.0, 1000.0], [-1e4, 1e4]], dtype=torch.float64)
    assert F.log_softmax(rows, 1)[:, 0].tolist() == [-1000.0, -2e4]
    loss = F.binary_cross_entropy_with_logits(x[:1], torch.ones(1, dtype=torch.float64))
    assert loss.item() == pytest.approx(math.exp(-40), rel=1e-12)


def test_gelu_tanh_does_not_cancel() -> None:
    x = torch.linspace(-4, 0, 101)
    exact = NATIVE.gelu(x.double(), approximate="tanh")
    assert torch.allclose(F.gelu(x, approximate="tanh").double(), exact, rtol=1e-5, atol=0)


def test_a_wrong_class_by_far() -> None:
    x = torch.tensor([[0.0, 1e30], [1e4, -1e4]], requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([0, 1]), reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert loss.tolist() == [torch.tensor(1e30).item(), 2e4]
    assert gradient.tolist() == [[-1.0, 1.0], [1.0, -1.0]]


def test_nothing_but_ignored_targets() -> None:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = F.cross_entropy(x, torch.full((3,), -100))
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.isnan()
    assert not gradient.any()


@pytest.mark.parametrize(("first", "second"), [(torch.float32, torch.float64), (torch.float64, torch.float32)])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("mse_loss", marks=pytest.mark.skipif(TORCH < (2, 13), reason="torch takes no mixed types before")),
        "binary_cross_entropy_with_logits",
        "cross_entropy",
    ],
)
def test_mixed_types_promote_as_pytorchs(name: str, first: torch.dtype, second: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, t = torch.rand(3, 4, generator=generator, dtype=first), torch.rand(3, 4, generator=generator, dtype=second)
    results = []
    for package in (F, NATIVE):
        leaf = x.clone().requires_grad_()
        loss = getattr(package, name)(leaf, t)
        results.append([loss, *torch.autograd.grad(loss, leaf)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_tanh_in_single_precision():
    x = torch.cat((torch.linspace(-12, 12, 4001), torch.tensor([0.0, -torch.inf, torch.inf])))
    torch.testing.assert_close(F.tanh(x), x.double().tanh().float(), rtol=0, atol=2**-22)
    assert F.tanh(torch.tensor([torch.nan])).isnan().all()
