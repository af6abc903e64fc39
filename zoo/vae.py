"""The variational autoencoder: its codes lie like standard normal numbers, so that it can draw pictures.

    q(z | x) = N(μ, σ²)         (μ, log σ²) = encoder(x)    the codes of a picture, each number by itself
    p(x | z) = Bernoulli(p)     p = sigmoid(decoder(z))     the pixels of a code, each pixel by itself
    z = μ + σ ε,  ε ~ N(0, 1)   so that gradients reach μ and σ (the reparameterisation)
    loss = −log p(x | z) + KL(q(z | x) ‖ N(0, 1))           nats a picture, the mean over a batch

        −log p(x | z) = −Σ x log p + (1 − x) log(1 − p)     over all pixels: the reconstruction
        KL = ½ Σ (μ² + σ² − 1 − log σ²)                     over all numbers of the code

Its mean over ε, of which one is drawn for each picture, is an upper bound of −log p(x). The first part asks for codes
that tell pictures apart, the second for codes that tell nothing: a number of the code that saves less in the first than
it costs in the second ends as N(0, 1), unused. To draw, z ~ N(0, 1) is decoded.

    picture    S × S                       S = 28:
    encoder    S² -> width -> 2 code       784 -> 500 -> 40    412 540 parameters
    decoder    code -> width -> S²          20 -> 500 -> 784   403 284       together 815 824

Source: Kingma and Welling, Auto-encoding variational Bayes (2014); appendix C.1 for the perceptrons, with 500 hidden
units for MNIST.
"""

from math import prod
from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Sequential

from zoo.autoencoder import perceptron
from zoo.base.generative import Generative
from zoo.callbacks.pictures.latent_walk import LatentWalk, PriorSamples
from zoo.callbacks.pictures.reconstructions import ReconstructionPicture
from zoo.core.errors import one_of, whole
from zoo.core.namespace import Namespace
from zoo.mlp import ACTIVATIONS


class VAE(Generative):
    """Pictures (N, channels, S, S), pixels from 0 to 1 -> their reconstructions from μ, of the same shape.

    Args:
        activation: after every hidden layer.
        width, depth: of the hidden layers of the encoder, and again of the decoder.
        code: how many numbers z has.
        num_classes: of the data, without use here.

    Logs the loss, and its parts as reconstruction and kl.
    Raises UsageError for an activation that is not in ACTIVATIONS, a size out of range, or other pixels.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        activation: str = "Tanh",
        width: int = 500,
        depth: int = 1,
        code: int = 20,
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.activation", activation, ACTIVATIONS)
        whole("model.width", width, 1)
        whole("model.depth", depth, 0)
        whole("model.code", code, 1)
        nn, shape = Namespace(layers), (channels, image_size, image_size)
        hidden = [width] * depth
        self.encoder = Sequential(nn.Flatten(), *perceptron(nn, activation, [prod(shape), *hidden, 2 * code]))
        self.decoder = Sequential(*perceptron(nn, activation, [code, *hidden, prod(shape)]), nn.Unflatten(1, shape))
        self.sigmoid, self.loss = nn.Sigmoid(), nn.BCEWithLogitsLoss(reduction="sum")

    def losses(self, pictures: Tensor, seed: int | None = None) -> dict[str, Tensor]:
        mean, log_variance = self.encoder(pictures).chunk(2, 1)
        z = mean + (log_variance / 2).exp() * self.noise(mean, seed)
        reconstruction = self.loss(self.decoder(z), pictures) / len(pictures)
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / (2 * len(pictures))
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def noise(self, like: Tensor, seed: int | None) -> Tensor:
        """ε ~ N(0, 1) for each number."""
        return torch.randn(like.shape, generator=self.generator(seed), device=like.device, dtype=like.dtype)

    def encode(self, pictures: Tensor) -> Tensor:
        """The mean μ (N, code) of the codes of pictures."""
        return self.encoder(pictures).chunk(2, 1)[0]

    def decode(self, code: Tensor) -> Tensor:
        """The pixels p (N, channels, S, S) of codes."""
        return self.sigmoid(self.decoder(code))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.decode(self.encode(pictures))

    def configure_callbacks(self) -> list[Callback]:
        return [ReconstructionPicture(), LatentWalk(), PriorSamples()]
