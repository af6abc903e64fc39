"""The activations, blocks and losses of MONAI under torch.nn's names, and those that torch has not."""

from monai.losses import (  # noqa: F401
    BarlowTwinsLoss,
    BendingEnergyLoss,
    ContrastiveLoss,
    DiceCELoss,
    DiceLoss,
    FocalLoss,
    GeneralizedDiceLoss,
    GlobalMutualInformationLoss,
    LocalNormalizedCrossCorrelationLoss,
    SSIMLoss,
    TverskyLoss,
)
from monai.networks.blocks import (  # noqa: F401
    GEGLU,
    ChannelSELayer,
    MaxAvgPool,
    MemoryEfficientSwish,
    Mish,
    Swish,
)
from monai.networks.layers import GaussianFilter  # noqa: F401
from torch import Tensor, nn

from scratch.testing import case, distinct, given, normal, uniform

IMAGE = normal(2, 3, 4, 4)
ONE = uniform(2, 1, 4, 4)
CLASSES = [normal(2, 2, 2, 2), given([[[[0.0, 1], [1, 1]], [[1, 0], [0, 0]]], [[[1, 1], [0, 1]], [[0, 0], [1, 0]]]])]


class Gated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return a * nn.functional.gelu(b)


class Binary(nn.BCEWithLogitsLoss):
    """A focal loss with γ = 0."""

    def __init__(self, gamma: float) -> None:
        super().__init__()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return super().forward(x, t.to(x.dtype))


CASES = [
    case("Swish", inputs=[IMAGE]).but(reference=nn.SiLU),
    case("MemoryEfficientSwish", inputs=[IMAGE]).but(reference=nn.SiLU),
    case("GEGLU", inputs=[IMAGE]).but(reference=Gated),
    case("MaxAvgPool", 2, 2, inputs=[distinct(2, 3, 4, 4)]),
    case("ChannelSELayer", 2, 4, inputs=[normal(2, 4, 3, 3)]),
    case("GaussianFilter", 2, 1.0, inputs=[ONE]),
    case("DiceLoss", sigmoid=True, inputs=CLASSES).but(constant=(1,)),
    case("DiceLoss", softmax=True, squared_pred=True, inputs=CLASSES).but(constant=(1,)),
    case("DiceCELoss", sigmoid=True, inputs=CLASSES).but(constant=(1,)),
    case("GeneralizedDiceLoss", sigmoid=True, inputs=CLASSES).but(constant=(1,)),
    case("TverskyLoss", sigmoid=True, alpha=0.3, beta=0.7, inputs=CLASSES).but(constant=(1,)),
    case("FocalLoss", gamma=0.0, inputs=CLASSES).but(reference=Binary, constant=(1,)),
    case("FocalLoss", gamma=2.0, alpha=0.25, inputs=CLASSES).but(constant=(1,)),
    case("SSIMLoss", 2, win_size=3, inputs=[ONE, uniform(2, 1, 4, 4)]),
    case("LocalNormalizedCrossCorrelationLoss", 2, inputs=[ONE, uniform(2, 1, 4, 4)]),
    case("GlobalMutualInformationLoss", num_bins=5, inputs=[ONE, uniform(2, 1, 4, 4)]),
    case("BendingEnergyLoss", inputs=[normal(1, 2, 6, 6)]),
    case("BarlowTwinsLoss", inputs=[normal(4, 3), normal(4, 3)]),
    case("ContrastiveLoss", inputs=[normal(4, 3), normal(4, 3)]),
]
