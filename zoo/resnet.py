"""ResNet: blocks of two convolutions, each of which learns what to add to its input.

    y = ReLU(f(x) + s(x)),   f = norm · conv · ReLU · norm · conv

The shortcut s is the identity. So the identity is a term of the block's derivative, and a gradient reaches the first
layers of a deep network along the shortcuts, whatever the weights are. Where the maps become half as large and twice as
many, s takes every second pixel, and zeros for the new maps: option A of the paper, which has no weights.

    input        1 × S × S
    conv        16 × S × S          3 × 3, batch norm, ReLU          176 parameters
    stage 1     16 × S × S          n blocks                      14 016   for n = 3
    stage 2     32 × S/2 × S/2      n blocks                      51 072
    stage 3     64 × S/4 × S/4      n blocks                     203 520
    mean        64                  over all pixels
    output      10                                                   650   together 269 434

This is the paper's network for CIFAR-10, of 6 n + 2 layers with weights: 20, 32, 44, 56 or 110 in the paper, of which
ResNet-20 stands above.

    size      depth    width    parameters
    tiny          8        8        19 074
    small        14       16       172 218
    base         20       16       269 434

Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition (2016), section 4.2.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Sequential, init

from zoo.base.classifier import Classifier
from zoo.base.norms import NORMS, check_batches, norm_of_maps
from zoo.base.sizes import chosen
from zoo.core.errors import UsageError, one_of, whole
from zoo.core.namespace import Namespace

SIZES = {
    "tiny": {"depth": 8, "width": 8},
    "small": {"depth": 14, "width": 16},
    "base": {"depth": 20, "width": 16},
}


class Shortcut(Module):
    """Every `stride`-th pixel, and zeros for `new` more maps: (N, C, S, S) -> (N, C + new, S / stride, S / stride)."""

    def __init__(self, stride: int, new: int) -> None:
        super().__init__()
        self.stride, self.new = stride, new

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return torch.cat([x, x.new_zeros(x.shape[0], self.new, *x.shape[2:])], 1) if self.new else x


class Block(Module):
    """ReLU(f(x) + s(x)), (N, I, S, S) -> (N, O, S / stride, S / stride)."""

    def __init__(self, layers: str, inputs: int, outputs: int, stride: int, norm: str) -> None:
        super().__init__()
        nn, bias = Namespace(layers), norm != "batch"  # which takes the mean away
        self.f = Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias),
            norm_of_maps(nn, norm, outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            norm_of_maps(nn, norm, outputs),
        )
        self.shortcut, self.relu = Shortcut(stride, outputs - inputs), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.f(x) + self.shortcut(x))


class ResNet(Classifier):
    """A ResNet for small pictures: (N, channels, S, S) -> logits (N, num_classes).

    Args:
        size: "tiny", "small" or "base".
        depth: layers with weights, 6 n + 2, in place of that of the size.
        width: maps of the first stage, likewise.
        norm: "batch", as in the paper; "layer", over all maps and pixels of a picture; or "none".

    Raises UsageError for another size or norm, or a depth that is not 6 n + 2.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        size: str = "base",
        depth: int | None = None,
        width: int | None = None,
        norm: str = "batch",
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        depth, width = chosen(SIZES, size, depth=depth, width=width)
        whole("model.depth", depth, 8)
        whole("model.width", width, 1)
        if depth % 6 != 2:
            raise UsageError(f"model.depth={depth}: must be 6 n + 2, such as 8, 14, 20, 32, 44, 56")
        one_of("model.norm", norm, NORMS)
        nn = Namespace(layers)
        maps = [width, *(width * 2**stage for stage in range(3) for _ in range(depth // 6))]
        blocks = [
            Block(layers, inputs, outputs, stride=outputs // inputs, norm=norm) for inputs, outputs in pairwise(maps)
        ]
        self.network = Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=norm != "batch"),
            norm_of_maps(nn, norm, width),
            nn.ReLU(),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(maps[-1], num_classes),
        )
        for parameter in self.network.parameters():
            if parameter.dim() == 4:
                init.kaiming_normal_(parameter, nonlinearity="relu")  # He et al. 2015

    def check(self, data: Any) -> None:
        check_batches(self.hparams["norm"], data)
