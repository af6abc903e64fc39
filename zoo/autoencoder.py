"""The autoencoder: two perceptrons, of which one maps a picture to a few numbers and the other maps these back.

    code  z = encoder(x)        (N, code)
    again x̂ = decoder(z)        (N, channels, S, S)
    loss    = mean of (x̂ − x)²  over all pixels

With fewer numbers than pixels the network must find what the pictures have in common. Without hidden layers (depth 0)
its best code spans the same space as the first principal components: Baldi and Hornik, Neural networks and principal
component analysis (1989).
Source: Hinton and Salakhutdinov, Reducing the dimensionality of data with neural networks (2006); there pretrained
layer by layer.
"""

from collections import OrderedDict
from itertools import pairwise
from math import prod
from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import Module, Sequential

from zoo.base.regressor import Regressor
from zoo.callbacks.pictures.latent_walk import LatentWalk
from zoo.callbacks.pictures.reconstructions import ReconstructionPicture
from zoo.core.errors import one_of, whole
from zoo.core.namespace import Namespace
from zoo.mlp import ACTIVATIONS


class Autoencoder(Regressor):
    """Pictures (N, channels, S, S) -> their reconstructions, of the same shape.

    Args:
        activation: after every hidden layer; code and reconstruction have none.
        width, depth: of the hidden layers of the encoder, and again of the decoder.
        code: how many numbers a picture becomes.
        num_classes: of the data, without use here.

    Logs what a `Regressor` logs: the squared error, of pictures as the data normalise them.
    Raises UsageError for an activation that is not in ACTIVATIONS, or a size out of range.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        activation: str = "ReLU",
        width: int = 256,
        depth: int = 1,
        code: int = 16,
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, **training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.activation", activation, ACTIVATIONS)
        whole("model.width", width, 1)
        whole("model.depth", depth, 0)
        whole("model.code", code, 1)
        nn, shape = Namespace(layers), (channels, image_size, image_size)

        hidden = [width] * depth
        encoder = Sequential(nn.Flatten(), *perceptron(nn, activation, [prod(shape), *hidden, code]))
        decoder = Sequential(*perceptron(nn, activation, [code, *hidden, prod(shape)]), nn.Unflatten(1, shape))
        self.network = Sequential(OrderedDict(encoder=encoder, decoder=decoder))

    def encode(self, pictures: Tensor) -> Tensor:
        return self.network.encoder(pictures)

    def decode(self, code: Tensor) -> Tensor:
        return self.network.decoder(code)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return super().training_step((batch[0], batch[0]), batch_idx)

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> None:
        super()._evaluate(stage, (batch[0], batch[0]))

    def configure_callbacks(self) -> list[Callback]:
        return [ReconstructionPicture(), LatentWalk()]


def perceptron(nn: Any, activation: str, sizes: list[int]) -> list[Module]:
    """Linear maps between layers of these sizes, with the activation between them, but not after the last."""
    blocks: list[Module] = []
    for inputs, outputs in pairwise(sizes):
        blocks += [nn.Linear(inputs, outputs), getattr(nn, activation)()]
    return blocks[:-1]
