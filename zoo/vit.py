"""ViT: a picture read as a sentence, whose words are patches, by the encoder of a Transformer.

    z = [c, E x₁, …, E x_T] + positions          patches x of P × P pixels, a vector c that is learned
    z ← z + attention(norm(z))                   as many times as there are layers,
    z ← z + feed_forward(norm(z))                each with weights of its own
    logits = W norm(z)₀ + b                      what has gathered at the place of c

Nothing tells the network which patches are neighbours: the positions are learned, and attention looks at all of the
picture from the first layer on.

    input      1 × S × S                   S = 28, P = 4, size small:
    patches    T × D      T = (S / P)²     49 × 64                        1 088 parameters
    class  (T + 1) × D    and positions    50 × 64                        3 264
    layer  (T + 1) × D    H heads          4 layers, of 4 heads         132 864
    norm   (T + 1) × D                                                      128
    output    10                                                            650   together 137 994

    size      D    layers    heads    hidden    parameters
    tiny     32         2        2        64        19 402
    small    64         4        4       128       137 994
    base    128         6        4       256       802 058

Source: Dosovitskiy et al., An image is worth 16 × 16 words: Transformers for image recognition at scale (2021).
Differs from the paper: the size; a feed-forward network is twice as wide as its input, not four times; the projections
of attention have no bias.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter, Sequential, init

from zoo.base.classifier import Classifier
from zoo.base.sizes import chosen
from zoo.core.errors import UsageError, between, whole
from zoo.core.namespace import Namespace
from zoo.transformer import EncoderLayer, FeedForward, Residual, SelfAttention

SIZES = {
    "tiny": {"d_model": 32, "depth": 2, "heads": 2, "feed_forward": 64},
    "small": {"d_model": 64, "depth": 4, "heads": 4, "feed_forward": 128},
    "base": {"d_model": 128, "depth": 6, "heads": 4, "feed_forward": 256},
}


class Patches(Module):
    """[c, E x₁, …, E x_T] + positions: (N, channels, S, S) -> (N, T + 1, D)."""

    def __init__(self, layers: str, channels: int, count: int, patch: int, size: int) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.embed = nn.Conv2d(channels, size, patch, stride=patch)  # E, on patches side by side
        self.class_token = Parameter(torch.zeros(1, 1, size))
        self.positions = nn.LearnedPositions(size, max_length=count + 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).mT
        return self.positions(torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1))


class ClassToken(Module):
    """The first token: (N, T + 1, D) -> (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class ViT(Classifier):
    """A small Vision Transformer: (N, channels, S, S) -> logits (N, num_classes).

    Args:
        size: "tiny", "small" or "base".
        patch: P, the side of a patch, which divides S.
        d_model, depth, heads, feed_forward: D, layers, H and hidden units, in place of those of the size.
        dropout: on the output of each part of a layer, and in the feed-forward networks.

    Raises UsageError for another size, or numbers that do not divide one another.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        size: str = "small",
        patch: int = 4,
        d_model: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        feed_forward: int | None = None,
        dropout: float = 0.0,
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        numbers = chosen(SIZES, size, d_model=d_model, depth=depth, heads=heads, feed_forward=feed_forward)
        for name, number in zip(SIZES["base"], numbers, strict=True):
            whole(f"model.{name}", number, 1)
        d_model, depth, heads, feed_forward = numbers
        if d_model % heads:
            raise UsageError(f"model.heads={heads}: must divide model.d_model={d_model}")
        whole("model.patch", patch, 1)
        if image_size % patch:
            raise UsageError(f"model.patch={patch}: must divide data.image_size={image_size}")
        between("model.dropout", dropout, 0, 1)
        nn = Namespace(layers)

        def residual(f: Module) -> Residual:
            return Residual(layers, d_model, dropout, norm_first=True, f=f)

        def layer() -> EncoderLayer:
            return EncoderLayer(
                residual(SelfAttention(layers, d_model, heads, dropout=0.0, causal=False)),
                residual(FeedForward(layers, d_model, feed_forward, dropout, "GELU")),
            )

        self.network = Sequential(
            Patches(layers, channels, (image_size // patch) ** 2, patch, d_model),
            *(layer() for _ in range(depth)),
            nn.LayerNorm(d_model),
            ClassToken(),
            nn.Linear(d_model, num_classes),
        )
        for name, parameter in self.network.named_parameters():
            if name.endswith("bias"):
                init.zeros_(parameter)
            elif parameter.dim() in (2, 4) and not name.endswith("positions.table"):
                init.xavier_uniform_(parameter.flatten(1))  # of a patch, too
