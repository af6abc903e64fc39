"""The activations, norms and optimizers of transformers under torch's names, and those that torch has not."""

from functools import partial

import torch
from torch import Tensor, nn
from transformers.activations import (  # noqa: F401
    AccurateGELUActivation,
    FastGELUActivation,
    LaplaceActivation,
    NewGELUActivation,
    QuickGELUActivation,
    ReLUSquaredActivation,
    SqrtSoftplusActivation,
)
from transformers.activations import MishActivation as Mish  # noqa: F401
from transformers.activations import SiLUActivation as SiLU  # noqa: F401
from transformers.models.convnext.modeling_convnext import ConvNextLayerNorm
from transformers.models.convnextv2.modeling_convnextv2 import ConvNextV2GRN  # noqa: F401
from transformers.models.deberta.modeling_deberta import DebertaLayerNorm  # noqa: F401
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d  # noqa: F401
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm  # noqa: F401
from transformers.models.llama.modeling_llama import LlamaRMSNorm  # noqa: F401
from transformers.models.t5.modeling_t5 import T5LayerNorm  # noqa: F401
from transformers.pytorch_utils import Conv1D  # noqa: F401

from scratch.testing import case, normal

ROWS, IMAGE = [normal(2, 5, 4)], [normal(2, 4, 3, 3)]
ChannelsFirst = partial(ConvNextLayerNorm, data_format="channels_first")
TanhGELU = partial(nn.GELU, "tanh")


class ByChannels(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Transposed(nn.Module):
    """x W + b"""

    def __init__(self, out: int, size: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size, out)), nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


CASES = [
    case("NewGELUActivation", inputs=ROWS).but(reference=TanhGELU),
    case("FastGELUActivation", inputs=ROWS).but(reference=TanhGELU),
    case("AccurateGELUActivation", inputs=ROWS).but(reference=TanhGELU),
    case("QuickGELUActivation", inputs=ROWS),
    case("LaplaceActivation", inputs=ROWS),
    case("ReLUSquaredActivation", inputs=ROWS),
    case("SqrtSoftplusActivation", inputs=ROWS),
    case("LlamaRMSNorm", 4, eps=1e-6, inputs=ROWS).but(reference=nn.RMSNorm),
    case("T5LayerNorm", 4, eps=1e-6, inputs=ROWS).but(reference=nn.RMSNorm),
    case("GemmaRMSNorm", 4, inputs=ROWS),
    case("DebertaLayerNorm", 4, eps=1e-7, inputs=ROWS).but(reference=nn.LayerNorm),
    case("ChannelsFirst", 4, eps=1e-6, inputs=IMAGE).but(reference=ByChannels),
    case("ConvNextV2GRN", 4, inputs=[normal(2, 3, 3, 4)]),
    case("DetrFrozenBatchNorm2d", 4, inputs=IMAGE),
    case("Conv1D", 3, 4, inputs=ROWS).but(reference=Transposed),
]
