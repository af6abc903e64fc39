"""Whole networks, trained side by side: every output, gradient, parameter and optimizer state of two implementations
agrees to 1e-9 over 50 float64 steps; and a training step from scratch consists of primitive operations only."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from scratch.testing import Audit, require_equal_networks, resolve
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.perceptron import Perceptron
from zoo.rbf import RBF

pytestmark = pytest.mark.usefixtures("one_thread")

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "lenet": (LeNet, {"variant": "tanh", "image_size": 28}),
    "lenet_sigmoid": (LeNet, {"variant": "sigmoid", "image_size": 28}),
    "lenet_relu": (LeNet, {"variant": "relu", "image_size": 28}),
    "mlp": (MLP, {"image_size": 28, "width": 32, "dropout": 0.2, "activation": "GELU"}),
    "perceptron": (Perceptron, {"image_size": 28}),
    "rbf": (RBF, {"image_size": 28, "units": 5, "learned": True}),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.005, "momentum": 0.9, "weight_decay": 1e-4},
    "Adam": {"lr": 0.002},
}


def batches(count: int = 5) -> list[tuple[Tensor, Tensor]]:
    generator = Generator().manual_seed(0)
    return [
        (torch.randn(4, 1, 28, 28, generator=generator), torch.randint(10, (4,), generator=generator))
        for _ in range(count)
    ]


def loss(model: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
    input, target = batch
    return model.loss(model(input), target)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_trajectory(model: str, optimizer: str, impl: str, optim: str) -> None:
    build, options = MODELS[model]
    makers = [
        lambda network, package=package: resolve(package, optimizer)(network.parameters(), **OPTIMIZERS[optimizer])
        for package in (optim, "torch.optim")
    ]
    ours, theirs = build(impl, **options), build("zoo.layers", **options)
    require_equal_networks(ours, theirs, loss, batches(), makers, steps=50)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_training_step_is_primitive(model: str, optimizer: str, impl: str, optim: str) -> None:
    build, options = MODELS[model]
    network = build(impl, **options)
    rule = resolve(optim, optimizer)(network.parameters(), **OPTIMIZERS[optimizer])
    with Audit():
        for batch in batches(2):
            rule.zero_grad()
            loss(network, batch).backward()
            rule.step()
