"""The perceptron learns what can be separated, in as few steps as the theorem says; bells around centres the rest."""

import pytest
import torch
from torch import Generator, Tensor

from scratch.nn import Linear, PerceptronLoss, Step
from scratch.optim import SGD
from zoo.perceptron import Perceptron
from zoo.rbf import RBF


def separable(margin: float) -> tuple[Tensor, Tensor, float, float]:
    """Points on both sides of a plane, no nearer than the margin; the margin they have and the largest |(x, 1)|."""
    generator = Generator().manual_seed(0)
    plane = torch.tensor([0.6, -0.7, 0.2, 0.3])
    plane = plane / plane.norm()  # of (x, 1)
    x = 2 * torch.rand(400, 3, generator=generator) - 1
    height = torch.cat([x, torch.ones(400, 1)], 1) @ plane
    far = height.abs() >= margin
    radius = (x[far] ** 2).sum(1).add(1).max().sqrt()
    return x[far], (height[far] > 0).long(), height[far].abs().min().item(), radius.item()


@pytest.mark.parametrize("margin", [0.05, 0.3])
def test_separable_classes_are_learned_with_few_mistakes(margin: float) -> None:
    x, target, gamma, radius = separable(margin)
    units, loss = Linear(3, 2), PerceptronLoss()
    torch.nn.init.zeros_(units.weight)
    torch.nn.init.zeros_(units.bias)
    rule = SGD(units.parameters(), lr=1.0)
    mistakes = torch.zeros(2)
    for _ in range(200):
        before = mistakes.clone()
        for row, label in zip(x, target, strict=True):
            score = units(row[None])
            wrong = Step()(score[0]) != torch.eye(2)[label]
            mistakes += wrong
            if wrong.any():
                old = units.weight.detach().clone()
                rule.zero_grad()
                loss(score, label[None]).backward()
                rule.step()
                moved = (torch.eye(2)[label] - Step()(score[0].detach()))[:, None] * row
                torch.testing.assert_close(units.weight.detach() - old, moved)  # the rule
        if torch.equal(mistakes, before):
            break
    else:
        pytest.fail("still mistakes after 200 rounds")
    assert mistakes.max() <= (radius / gamma) ** 2
    assert torch.equal(units(x).argmax(1), target)


def test_a_line_cannot_do_exclusive_or_but_bells_can() -> None:
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    pictures, target = corners.view(4, 2, 1, 1), torch.tensor([0, 1, 1, 0])
    shape = {"image_size": 1, "channels": 2, "num_classes": 2}
    line, bells = Perceptron("scratch.nn", **shape), RBF("scratch.nn", units=4, **shape)
    bells.place(pictures)
    for model, learned in ((line, False), (bells, True)):
        rule = SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
        for _ in range(100):
            rule.zero_grad()
            model.loss(model(pictures), target).backward()
            rule.step()
        assert torch.equal(model(pictures).argmax(1), target) is learned


def test_centres_are_the_means_of_the_pictures() -> None:
    generator = Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 30.0]])
    points = middles.repeat(50, 1) + 0.1 * torch.randn(150, 2, generator=generator)
    model = RBF("scratch.nn", units=3, image_size=1, channels=2)
    torch.manual_seed(0)
    model.place(points.view(150, 2, 1, 1))
    order = model.basis.centres.detach().sum(1).argsort()
    assert torch.allclose(model.basis.centres.detach()[order], middles, atol=0.1)
    assert torch.allclose(model.basis.width.detach()[order], torch.tensor([10.0, 10.0, 30.0]), atol=0.3)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["network.2.weight", "network.2.bias"]
