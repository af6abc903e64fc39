"""CTC through a log-softmax is a function like any other; and it counts what can be counted by hand."""

import itertools
import math

import pytest
import torch
from torch.autograd import gradcheck

from scratch.nn import functional as F


def test_the_gradient_through_a_log_softmax() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return F.ctc_loss(F.log_softmax(x, -1), torch.tensor([[1, 1], [2, 0]]), (5, 4), (2, 1), reduction="none")

    assert gradcheck(loss, (x,), atol=1e-8, rtol=1e-6)


def test_the_tangent_is_that_of_the_gradient() -> None:
    generator = torch.Generator().manual_seed(2)
    y, y_dot = torch.randn(2, 5, 2, 3, generator=generator, dtype=torch.float64).unbind()

    def loss(y: torch.Tensor) -> torch.Tensor:
        return F.ctc_loss(y.log_softmax(-1), torch.tensor([[1, 1], [2, 0]]), (5, 4), (2, 1), reduction="sum")

    moved, gradient = torch.func.jvp(loss, (y,), (y_dot,))[1], torch.func.grad(loss)(y)
    torch.testing.assert_close(moved, (gradient * y_dot).sum(), rtol=1e-10, atol=1e-12)


def test_every_path_is_counted() -> None:
    generator = torch.Generator().manual_seed(1)
    y = torch.randn(4, 3, generator=generator, dtype=torch.float64).log_softmax(-1)
    for text in ([1, 2], [1, 1], [2], []):
        total = 0.0
        for path in itertools.product(range(3), repeat=4):
            merged = [label for label, _ in itertools.groupby(path)]
            if [label for label in merged if label] == text:
                total += math.exp(sum(y[t, label].item() for t, label in enumerate(path)))
        loss = F.ctc_loss(
            y, torch.tensor(text, dtype=torch.long), torch.tensor(4), torch.tensor(len(text)), reduction="sum"
        )
        assert loss.item() == pytest.approx(-math.log(total), rel=1e-12)


def test_a_second_derivative_is_refused() -> None:
    y = torch.randn(4, 1, 3).log_softmax(-1).requires_grad_()
    loss = F.ctc_loss(y, torch.tensor([[1]]), (4,), (1,))
    (gradient,) = torch.autograd.grad(loss, y, create_graph=True)
    assert gradient.requires_grad  # or the second one would be left out in silence where a loss adds others to it
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(gradient.sum(), y)


def test_a_label_of_probability_zero_has_no_nan() -> None:
    y = torch.tensor([[[0.5, 0.5, 0.0]], [[0.5, 0.0, 0.5]], [[0.2, 0.4, 0.4]]]).log().requires_grad_()
    F.ctc_loss(y, torch.tensor([[1, 2]]), (3,), (2,)).backward()
    assert y.grad is not None
    assert y.grad.isfinite().all()
