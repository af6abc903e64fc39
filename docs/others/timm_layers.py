"""The layers of timm under torch.nn's names, and those that torch has not."""

from functools import partial

from timm.layers import (  # noqa: F401
    GELU,
    AdaptiveAvgMaxPool2d,
    Attention,
    AvgPool2dSame,
    BatchNormAct2d,
    BlurPool2d,
    Conv2dSame,
    EcaModule,
    EvoNorm2dS0,
    FilterResponseNormAct2d,
    GlobalContext,
    GroupNorm,
    GroupNorm1,
    LayerNorm,
    LayerNorm2d,
    Linear,
    Mish,
    PReLU,
    ScaledStdConv2d,
    SEModule,
    Sigmoid,
    StdConv2d,
    SwiGLU,
    Tanh,
)
from timm.layers import HardSigmoid as Hardsigmoid  # noqa: F401
from timm.layers import HardSwish as Hardswish  # noqa: F401
from timm.layers import RmsNorm as RMSNorm  # noqa: F401
from timm.layers import Swish as SiLU  # noqa: F401
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy  # noqa: F401
from torch import Tensor, nn

from scratch.testing import case, distinct, integers, normal, probabilities, uniform

BatchNorm2d = partial(BatchNormAct2d, apply_act=False)


class ChannelsLast(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class OneGroup(nn.GroupNorm):
    def __init__(self, num_channels: int) -> None:
        super().__init__(1, num_channels)


IMAGE = [normal(2, 4, 6, 6)]
CASES = [
    case("LayerNorm2d", 4, eps=1e-5, inputs=IMAGE).but(reference=ChannelsLast),
    case("GroupNorm1", 4, inputs=IMAGE).but(reference=OneGroup),
    case("Conv2dSame", 4, 3, 3, stride=2, inputs=IMAGE),
    case("StdConv2d", 4, 3, 3, inputs=IMAGE),
    case("ScaledStdConv2d", 4, 3, 3, inputs=IMAGE),
    case("AvgPool2dSame", 3, 2, inputs=IMAGE),
    case("BlurPool2d", 4, inputs=IMAGE),
    case("EvoNorm2dS0", 4, groups=2, inputs=IMAGE),
    case("FilterResponseNormAct2d", 4, apply_act=False, inputs=IMAGE),
    case("EcaModule", 4, inputs=IMAGE),
    case("SEModule", 4, rd_channels=2, inputs=IMAGE),
    case("GlobalContext", 4, rd_channels=2, inputs=IMAGE),
    case("AdaptiveAvgMaxPool2d", 1, inputs=[distinct(2, 4, 6, 6)]),
    case("Attention", 8, num_heads=2, qkv_bias=True, inputs=[normal(2, 5, 8)]),
    case("SwiGLU", 4, 6, inputs=[normal(2, 5, 4)]),
    case("BinaryCrossEntropy", 0.0, inputs=[normal(3, 4), uniform(3, 4)]).but(
        reference=lambda smoothing: nn.BCEWithLogitsLoss(), constant=(1,)
    ),
    case("LabelSmoothingCrossEntropy", 0.1, inputs=[normal(3, 4), integers(4, 3)]).but(
        reference=lambda smoothing: nn.CrossEntropyLoss(label_smoothing=smoothing)
    ),
    case("SoftTargetCrossEntropy", inputs=[normal(3, 4), probabilities(3, 4)]).but(reference=nn.CrossEntropyLoss),
]
