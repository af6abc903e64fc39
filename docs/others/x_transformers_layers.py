"""The layers of x-transformers under torch.nn's names, and those that torch has not."""

from torch import nn
from x_transformers.x_transformers import (  # noqa: F401
    GLU,
    Attention,
    Derf,
    DynamicTanh,
    FeedForward,
    GRUGating,
    LayerNorm,
    LoRALinear,
    MultiheadRMSNorm,
    ReluSquared,
    RMSNorm,
    ScaledSinusoidalEmbedding,
    ScaleNorm,
    SimpleRMSNorm,
    SoLU,
)

from scratch.testing import case, normal

ROWS = [normal(2, 5, 8)]


class Unit(nn.RMSNorm):
    """Without weights."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, elementwise_affine=False)


CASES = [
    case("SimpleRMSNorm", 8, inputs=ROWS).but(reference=Unit),
    case("MultiheadRMSNorm", 4, 2, inputs=[normal(3, 2, 5, 4)]),
    case("ScaleNorm", 8, inputs=ROWS),
    case("DynamicTanh", 8, inputs=ROWS),
    case("Derf", 8, inputs=ROWS),
    case("SoLU", 8, inputs=ROWS),
    case("ReluSquared", inputs=ROWS),
    case("GLU", 8, 4, nn.SiLU(), inputs=ROWS),
    case("FeedForward", 8, inputs=ROWS),
    case("FeedForward", 8, glu=True, swish=True, inputs=ROWS),
    case("Attention", 8, dim_head=4, heads=2, inputs=ROWS),
    case("Attention", 8, dim_head=4, heads=2, causal=True, qk_norm=True, inputs=ROWS),
    case("Attention", 8, dim_head=4, heads=2, flash=True, inputs=ROWS),
    case("LoRALinear", 8, 4, 2, inputs=ROWS),
    case("GRUGating", 8, inputs=[*ROWS, normal(2, 5, 8)]),
]
