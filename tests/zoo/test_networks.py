"""Whole networks, trained side by side: every output, gradient, parameter and optimizer state of two implementations
agrees to 1e-9 over 50 float64 steps; and a training step from scratch consists of primitive operations only."""

import re
import sys
from typing import Any

import pytest
import torch
from torch import Generator, Size, Tensor, nn

from scratch.testing import Audit, require_equal_networks, resolve
from zoo.autoencoder import Autoencoder
from zoo.base.generative import Generative
from zoo.diffusion import Diffusion
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.perceptron import Perceptron
from zoo.rbf import RBF
from zoo.resnet import SIZES as RESNETS
from zoo.resnet import ResNet
from zoo.vae import VAE
from zoo.vit import SIZES as VITS
from zoo.vit import ViT

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
    "vae": (VAE, {"image_size": 28, "width": 16, "code": 4}),
    "diffusion": (Diffusion, {"image_size": 8, "width": 8, "heads": 2}),
    "perceptron": (Perceptron, {"image_size": 28}),
    "rbf": (RBF, {"image_size": 28, "units": 5, "learned": True}),
    "resnet": (ResNet, {"image_size": 28, "depth": 8, "width": 4}),
    "vit": (ViT, {"image_size": 28, "size": "tiny", "patch": 7, "dropout": 0.1}),
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
    if isinstance(model, Generative):
        side = model.hparams["image_size"]
        return model.losses(input[..., :side, :side].sigmoid())["loss"]
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


def sizes_on_the_page(build: Any) -> dict[str, int]:
    """The parameters of each size, from the table in the docstring of a model's module."""
    rows = (line.split(maxsplit=1) for line in sys.modules[build.__module__].__doc__.splitlines() if line.split())
    table = {name: numbers for name, *numbers in rows if name in ("tiny", "small", "base")}
    return {name: int("".join(re.split(r"  +", numbers[0])[-1].split())) for name, numbers in table.items()}


@pytest.mark.parametrize(("build", "sizes"), [(ResNet, RESNETS), (ViT, VITS)])
def test_sizes_are_those_of_the_page(build, sizes):
    counts = {size: sum(p.numel() for p in build(size=size, image_size=28).parameters()) for size in sizes}
    assert counts == sizes_on_the_page(build)


def test_resnet_20_of_the_paper():
    """Layers with weights, parameters of each stage, and the sides of the maps."""
    model, sides = ResNet(), []
    weights = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert len(weights) == 20
    counts = [sum(p.numel() for p in layer.parameters()) for layer in model.network]
    assert [sum(counts[:3]), *(sum(counts[i : i + 3]) for i in (3, 6, 9)), counts[-1]] == [
        176, 14016, 51072, 203520, 650
    ]  # fmt: skip
    for block in model.network[3:12]:
        block.register_forward_hook(lambda _, inputs, output: sides.append(tuple(output.shape[1:])))
    model(torch.randn(2, 1, 28, 28))
    assert sides == [(16, 28, 28)] * 3 + [(32, 14, 14)] * 3 + [(64, 7, 7)] * 3


def test_a_resnet_begins_with_its_shortcuts():
    """Where f is 0, a block takes every second pixel of its input, with zeros for the new maps."""
    block = ResNet(size="tiny").network[4]
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(2, 8, 5, 5)
    expected = torch.cat([x[:, :, ::2, ::2], torch.zeros(2, 8, 3, 3)], 1)
    assert torch.equal(block(x), expected)


def test_a_vit_knows_patches_by_their_positions_alone():
    """Without positions the order of the patches makes no difference to it; with them it does."""
    model = ViT(size="tiny", patch=4, image_size=8).double()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    swapped = torch.cat([x[..., 4:], x[..., :4]], -1)
    assert (model(x) - model(swapped)).abs().max() > 1e-6
    nn.init.zeros_(model.network[0].positions.table)
    torch.testing.assert_close(model(x), model(swapped))


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
