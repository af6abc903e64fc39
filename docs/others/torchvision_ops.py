"""torchvision.ops: what torch has, and its own kernels, which are held against finite differences."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import ops
from torchvision.ops import (  # noqa: F401
    MLP,
    DeformConv2d,
    FrozenBatchNorm2d,
    Permute,
    PSRoIAlign,
    PSRoIPool,
    RoIAlign,
    RoIPool,
    SqueezeExcitation,
)

from scratch.testing import case, distinct, given, normal, uniform

functional = SimpleNamespace(
    sigmoid_focal_loss=ops.sigmoid_focal_loss,
    generalized_box_iou_loss=ops.generalized_box_iou_loss,
    complete_box_iou_loss=ops.complete_box_iou_loss,
    distance_box_iou_loss=ops.distance_box_iou_loss,
)
IMAGE = normal(1, 4, 6, 6)
REGIONS = given([[0.0, 0.7, 0.6, 4.3, 3.9], [0.0, 1.2, 2.1, 4.9, 5.2]])
BOXES = [given([[0.0, 0.1, 2.3, 1.9], [1.0, 1.2, 3.1, 4.0]]), given([[0.4, 0.6, 2.9, 2.4], [0.2, 1.6, 2.7, 3.3]])]


class Undeformed(nn.Conv2d):
    """What a deformable convolution is without offsets."""

    def forward(self, input: Tensor, offset: Tensor) -> Tensor:
        return super().forward(input)


class Fixed(nn.Module):
    """Batch norm by four buffers."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), value))

    def forward(self, x: Tensor) -> Tensor:
        buffers: Any = self.running_mean, self.running_var, self.weight, self.bias
        return nn.functional.batch_norm(x, *buffers, eps=self.eps)


class Layers(nn.Sequential):
    def __init__(self, channels: int, hidden: list[int]) -> None:
        super().__init__(nn.Linear(channels, hidden[0]), nn.ReLU(), nn.Linear(*hidden))


def focal(x: Tensor, t: Tensor) -> Tensor:
    p = x.sigmoid()
    cross = nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    return (0.25 * t + 0.75 * (1 - t)) * (1 - p * t - (1 - p) * (1 - t)) ** 2 * cross


CASES = [
    case("FrozenBatchNorm2d", 4, inputs=[IMAGE]).but(reference=Fixed),
    case("MLP", 4, [5, 3], inputs=[normal(6, 4)]).but(reference=Layers),
    case("Permute", [2, 0, 1], inputs=[normal(2, 3, 4)]),
    case("SqueezeExcitation", 4, 2, inputs=[IMAGE]),
    case("DeformConv2d", 4, 3, 3, inputs=[IMAGE, lambda _: torch.zeros(1, 18, 4, 4)]).but(
        reference=Undeformed, constant=(1,)
    ),
    case("DeformConv2d", 2, 3, 3, inputs=[normal(1, 2, 5, 5), uniform(1, 18, 3, 3, low=0.1, high=0.9)]),
    case("DeformConv2d", 2, 2, 3, padding=1, inputs=[normal(1, 2, 4, 4), uniform(1, 18, 4, 4, low=0.1, high=0.9),
                                                     uniform(1, 9, 4, 4)]),
    case("RoIAlign", 2, 1.0, 2, inputs=[IMAGE, REGIONS]).but(constant=(1,)),
    case("RoIAlign", 2, 0.5, -1, aligned=True, inputs=[IMAGE, REGIONS]).but(constant=(1,)),
    case("RoIPool", 2, 1.0, inputs=[distinct(1, 4, 6, 6), REGIONS]).but(constant=(1,)),
    case("PSRoIAlign", 2, 1.0, 2, inputs=[IMAGE, REGIONS]).but(constant=(1,)),
    case("PSRoIPool", 2, 1.0, inputs=[IMAGE, REGIONS]).but(constant=(1,)),
    case("functional.sigmoid_focal_loss", inputs=[normal(3, 4), given([[0.0, 1, 0, 1]] * 3)]).but(
        reference=focal, constant=(1,)
    ),
    case("functional.generalized_box_iou_loss", inputs=BOXES),
    case("functional.complete_box_iou_loss", inputs=BOXES),
    case("functional.distance_box_iou_loss", inputs=BOXES),
]  # fmt: skip
