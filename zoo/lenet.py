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
"""

from typing import Any

from torch.nn import Sequential, init

from zoo.base.classifier import Classifier
from zoo.core.errors import UsageError, one_of
from zoo.core.namespace import Namespace

# variant: activation, pooling, and the initialisation that goes with them
VARIANTS = {
    "tanh": ("Tanh", "AvgPool2d", "default"),  # LeNet-5 as the paper describes it
    "sigmoid": ("Sigmoid", "AvgPool2d", "xavier"),  # the textbooks' LeNet; needs Xavier's initialisation to learn
    "relu": ("ReLU", "MaxPool2d", "default"),  # a modern relative, often called LeNet: not LeNet-5
}


class LeNet(Classifier):
    """LeNet-5 (variant "tanh"), the textbooks' LeNet ("sigmoid"), or a modern one with ReLU and max-pooling ("relu").

    Input (N, channels, S, S) with S = image_size 28 or 32, output logits (N, num_classes).
    Raises UsageError for another variant or image size.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        variant: str = "tanh",
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.variant", variant, VARIANTS)
        if image_size not in (28, 32):
            raise UsageError(f"data.image_size={image_size}: LeNet-5 takes images of 28 (padded by 2) or 32 pixels")
        nn = Namespace(layers)
        activation, pool, initialisation = VARIANTS[variant]
        act, pool = getattr(nn, activation), getattr(nn, pool)
        self.network = Sequential(
            nn.Conv2d(channels, 6, 5, padding=(32 - image_size) // 2),  # C1
            act(),
            pool(2),  # S2
            nn.Conv2d(6, 16, 5),  # C3
            act(),
            pool(2),  # S4
            nn.Conv2d(16, 120, 5),  # C5
            act(),
            nn.Flatten(),
            nn.Linear(120, 84),  # F6
            act(),
            nn.Linear(84, num_classes),
        )
        if initialisation == "xavier":
            for parameter in self.network.parameters():
                if parameter.dim() > 1:
                    init.xavier_uniform_(parameter)
