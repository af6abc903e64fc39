"""LeNet-5: convolutions that detect strokes, pooling that blurs their position, and a small classifier on top.

    input        1 × 32 × 32      (28 × 28 is padded by 2)
    C1  conv     6 × 28 × 28      5 × 5                    156 parameters
    S2  pool     6 × 14 × 14      2 × 2
    C3  conv    16 × 10 × 10      5 × 5                  2 416
    S4  pool    16 ×  5 ×  5      2 × 2
    C5  conv   120 ×  1 ×  1      5 × 5                 48 120
    F6  linear  84                                      10 164
    output      10                                         850      together 61 706

Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition (1998), figure 2.
Differs from the paper: the pooling has no weights, C3 reads all six maps of S2 (the paper leaves some pairs out), tanh
is not scaled to 1.7159 tanh(2x/3), and the output is a softmax layer instead of radial basis functions.

Variant "keras", the one of many tutorials, has no border around 28 × 28 and so 4 × 4 after S4, which a linear layer
reads: 44 426 parameters. Keras begins with Xavier's uniform weights and with biases of 0.
"""

from typing import Any

from torch.nn import Module, Sequential, init

from zoo.base.classifier import Classifier
from zoo.base.norms import NORMS, check_batches
from zoo.core.errors import UsageError, one_of
from zoo.core.namespace import Namespace

# variant: activation, pooling, and the initialisation that goes with them
VARIANTS = {
    "tanh": ("Tanh", "AvgPool2d", "default"),  # LeNet-5 as the paper describes it
    "sigmoid": ("Sigmoid", "AvgPool2d", "xavier"),  # the textbooks' LeNet; needs Xavier's initialisation to learn
    "relu": ("ReLU", "MaxPool2d", "default"),  # a modern relative, often called LeNet: not LeNet-5
    "keras": ("Sigmoid", "MaxPool2d", "xavier, bias 0"),  # the tutorials'
}


class LeNet(Classifier):
    """LeNet-5 (variant "tanh"), the textbooks' LeNet ("sigmoid"), a modern one with ReLU and max-pooling ("relu"), or
    the tutorials', with sigmoid and max-pooling ("keras").

    Input (N, channels, S, S) with S = image_size 28 or 32, output logits (N, num_classes).
    `norm`, before every activation: "none", "batch", or "layer", over all maps and pixels of a picture. The layers
    before batch norm, which takes the mean away, have no bias.
    Raises UsageError for another variant or image size.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        variant: str = "tanh",
        norm: str = "none",
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.variant", variant, VARIANTS)
        one_of("model.norm", norm, NORMS)
        if image_size not in (28, 32):
            raise UsageError(f"data.image_size={image_size}: LeNet-5 takes images of 28 (padded by 2) or 32 pixels")
        nn = Namespace(layers)
        activation, pool, initialisation = VARIANTS[variant]
        act, pool = getattr(nn, activation), getattr(nn, pool)
        bias = norm != "batch"

        def activated(size: int, maps: bool) -> list[Module]:
            """The norm, if any, and the activation of so many maps, or numbers."""
            if norm == "batch":
                return [(nn.BatchNorm2d if maps else nn.BatchNorm1d)(size), act()]
            return [act()] if norm == "none" else [nn.GroupNorm(1, size), act()]  # one group: all maps and pixels

        border = 0 if variant == "keras" else (32 - image_size) // 2
        left = ((image_size + 2 * border - 4) // 2 - 4) // 2  # the side of S4's maps
        c5 = [nn.Conv2d(16, 120, 5, bias=bias), *activated(120, maps=True), nn.Flatten()]
        if variant == "keras":
            c5 = [nn.Flatten(), nn.Linear(16 * left * left, 120, bias=bias), *activated(120, maps=False)]
        self.network = Sequential(
            nn.Conv2d(channels, 6, 5, padding=border, bias=bias),  # C1
            *activated(6, maps=True),
            pool(2),  # S2
            nn.Conv2d(6, 16, 5, bias=bias),  # C3
            *activated(16, maps=True),
            pool(2),  # S4
            *c5,
            nn.Linear(120, 84, bias=bias),  # F6
            *activated(84, maps=False),
            nn.Linear(84, num_classes),
        )
        if initialisation != "default":
            for name, parameter in self.network.named_parameters():
                if parameter.dim() > 1:
                    init.xavier_uniform_(parameter)
                elif initialisation == "xavier, bias 0" and name.endswith("bias"):
                    init.zeros_(parameter)

    def check(self, data: Any) -> None:
        check_batches(self.hparams["norm"], data)
