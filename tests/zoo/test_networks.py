"""Whole networks, trained side by side: every output, gradient, parameter and optimizer state of two implementations
agrees to 1e-9 over 50 float64 steps; and a training step from scratch consists of primitive operations only."""

from typing import Any

import pytest
import torch
from torch import Generator, Size, Tensor, nn

from scratch.testing import Audit, require_equal_networks, resolve
from zoo.autoencoder import Autoencoder
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.perceptron import Perceptron
from zoo.rbf import RBF

pytestmark = pytest.mark.usefixtures("one_thread")

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "lenet": (LeNet, {"variant": "tanh", "image_size": 28}),
    "lenet_sigmoid": (LeNet, {"variant": "sigmoid", "image_size": 28}),
    "lenet_relu": (LeNet, {"variant": "relu", "image_size": 28}),
    "lenet_keras": (LeNet, {"variant": "keras", "image_size": 28}),
    "lenet_batch_norm": (LeNet, {"variant": "relu", "image_size": 28, "norm": "batch"}),
    "lenet_layer_norm": (LeNet, {"variant": "keras", "image_size": 28, "norm": "layer"}),
    "mlp": (MLP, {"image_size": 28, "width": 32, "dropout": 0.2, "activation": "GELU"}),
    "mlp_batch_norm": (MLP, {"image_size": 28, "width": 16, "norm": "batch"}),
    "mlp_layer_norm": (MLP, {"image_size": 28, "width": 16, "norm": "layer"}),
    "autoencoder": (Autoencoder, {"image_size": 28, "width": 16, "code": 4, "activation": "Tanh"}),
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
    return model.loss(model(input), input if isinstance(model, Autoencoder) else target)


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


def test_lenet_of_keras():
    """The sizes that `model.summary()` of the tutorials prints, Xavier's bounds, biases of 0."""
    network = LeNet(variant="keras", image_size=28).network
    sizes = [sum(parameter.numel() for parameter in layer.parameters()) for layer in network]
    assert [size for size in sizes if size] == [156, 2416, 30840, 10164, 850]
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            outputs, inputs, *area = parameter.shape
            bound = (6 / ((inputs + outputs) * Size(area).numel())) ** 0.5
            assert 0.8 * bound < parameter.abs().max() <= bound


@pytest.mark.parametrize("build", [LeNet, MLP])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norm_before_every_activation(build, norm):
    """Over a batch (batch) or the numbers of an example (layer) the activations' inputs have mean 0 and square 1."""
    model, seen = build(norm=norm, image_size=28), []
    for layer in model.network:
        if isinstance(layer, (nn.Tanh, nn.ReLU)):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.randn(16, 1, 28, 28))
    assert len(seen) == (4 if build is LeNet else 2)
    for values in seen:
        axes = [0, *range(2, values.dim())] if norm == "batch" else list(range(1, values.dim()))
        mean, square = values.mean(axes), values.square().mean(axes)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
        torch.testing.assert_close(square, torch.ones_like(square), atol=0.1, rtol=0)  # eps


def test_code_of_an_autoencoder():
    """Without hidden layers it ends at the error that the first principal components leave."""
    torch.manual_seed(0)
    x = torch.randn(100, 3).double() @ torch.randn(3, 16).double() + 0.1 * torch.randn(100, 16).double()
    x = (x - x.mean(0)).view(-1, 1, 4, 4)
    model = Autoencoder(depth=0, code=2, image_size=4).double()
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=2000, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = loss(model, (x, x))
        value.backward()
        return value

    optimizer.step(closure)
    left = torch.linalg.svdvals(x.flatten(1))[2:].square().sum() / x.numel()
    assert closure().item() == pytest.approx(float(left), rel=1e-6)
