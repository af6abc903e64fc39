"""The norms and activations of diffusers under torch.nn's names, and those that torch has not."""

from diffusers.models.activations import GEGLU, ApproximateGELU, LinearActivation, SwiGLU  # noqa: F401
from diffusers.models.activations import GELU as Projected  # noqa: F401, N811, a linear map and a GELU
from diffusers.models.activations import FP32SiLU as SiLU  # noqa: F401
from diffusers.models.normalization import (  # noqa: F401
    AdaGroupNorm,
    AdaLayerNorm,
    GlobalResponseNorm,
    LpNorm,
    MochiRMSNorm,
    RMSNorm,
)
from diffusers.models.normalization import FP32LayerNorm as LayerNorm  # noqa: F401
from torch import Tensor, nn

from scratch.testing import case, normal

ROWS = [normal(2, 5, 4)]


class Gated(nn.Module):
    """a · act(b), where (a, b) = x Wᵀ + b"""

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(size, 2 * out)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.proj(x).chunk(2, -1)
        return a * self.act(b)


class ByGELU(Gated):
    act = staticmethod(nn.functional.gelu)


class BySiLU(Gated):
    act = staticmethod(nn.functional.silu)


class Behind(nn.Sequential):
    def __init__(self, size: int, out: int) -> None:
        super().__init__(nn.Linear(size, out), nn.GELU())


class Unit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=-1)


CASES = [
    case("Projected", 4, 3, inputs=ROWS).but(reference=Behind),
    case("GEGLU", 4, 3, inputs=ROWS).but(reference=ByGELU),
    case("SwiGLU", 4, 3, inputs=ROWS).but(reference=BySiLU),
    case("ApproximateGELU", 4, 3, inputs=ROWS),
    case("LinearActivation", 4, 3, inputs=ROWS),
    case("MochiRMSNorm", 4, 1e-5, inputs=ROWS).but(reference=nn.RMSNorm),
    case("GlobalResponseNorm", 4, inputs=[normal(2, 3, 3, 4)]),
    case("LpNorm", inputs=ROWS).but(reference=Unit),
    case("AdaLayerNorm", 4, chunk_dim=1, inputs=[normal(2, 3, 4), lambda _: None, normal(2, 4)]),
    case("AdaGroupNorm", 4, 6, 2, inputs=[normal(2, 6, 3, 3), normal(2, 4)]),
]
