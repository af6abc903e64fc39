"""The layers of x-transformers under torch.nn's names, and those that torch has not."""

from torch import nn
from x_transformers.x_transformers import GLU as Gated  # noqa: F401, N811, torch's GLU has no weights
from x_transformers.x_transformers import (  # noqa: F401
    Attention,
    Derf,
    DynamicTanh,
    FeedForward,
    GRUGating,
    LoRALinear,
    MultiheadRMSNorm,
    ReluSquared,
    RMSNorm,
    ScaledSinusoidalEmbedding,
    ScaleNorm,
    SimpleRMSNorm,
    SoLU,
)
from x_transformers.x_transformers import LayerNorm as Norm  # noqa: F401, it has no bias

from scratch.testing import case, normal

ROWS = [normal(2, 5, 8)]


class Unit(nn.RMSNorm):
    """Without weights."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, elementwise_affine=False)


class NoBias(nn.LayerNorm):
    def __init__(self, dim: int) -> None:
        super().__init__(dim, bias=False)


CASES = [
    case("Norm", 8, inputs=ROWS).but(reference=NoBias),
    case("SimpleRMSNorm", 8, inputs=ROWS).but(reference=Unit),
    case("MultiheadRMSNorm", 4, 2, inputs=[normal(3, 2, 5, 4)]),
    case("ScaleNorm", 8, inputs=ROWS),
    case("DynamicTanh", 8, inputs=ROWS),
    case("Derf", 8, inputs=ROWS),
    case("SoLU", 8, inputs=ROWS),
    case("ReluSquared", inputs=ROWS),
    case("Gated", 8, 4, nn.SiLU(), inputs=ROWS),
    case("FeedForward", 8, inputs=ROWS),
    case("FeedForward", 8, glu=True, swish=True, inputs=ROWS),
    case("Attention", 4, dim_head=2, heads=2, inputs=[normal(1, 3, 4)]),
    case("Attention", 4, dim_head=4, heads=2, causal=True, qk_norm=True, inputs=[normal(1, 3, 4)]),
    case("LoRALinear", 8, 4, 2, inputs=ROWS),
    case("GRUGating", 8, inputs=[*ROWS, normal(2, 5, 8)]),
]
