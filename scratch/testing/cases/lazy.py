"""Cases of scratch/nn/lazy.py."""

from scratch.testing import bad, case, normal
from scratch.testing.cases.common import BIAS

CASES = [
    case("LazyLinear", 3, inputs=[normal(2, 5)]),
    case("LazyLinear", 3, bias=False, inputs=[normal(4)]),
    case("LazyConv1d", 3, 2, inputs=[normal(2, 4)]),
    case("LazyConv2d", 4, 2, 1, "same", 2, 2, False, "circular", inputs=[normal(1, 2, 3, 4)]),
    case("LazyConv3d", 2, (1, 2, 1), inputs=[normal(1, 2, 2, 3, 2)]),
    case("LazyConvTranspose1d", 3, 2, 2, inputs=[normal(1, 2, 4)]),
    case("LazyConvTranspose2d", 4, 2, 2, 1, 1, 2, False, 2, inputs=[normal(2, 3, 2)]),
    case("LazyConvTranspose3d", 2, (1, 2, 1), inputs=[normal(1, 2, 2, 1, 2)]),
    case("LazyBatchNorm1d", inputs=[normal(4, 3)]),
    case("LazyBatchNorm2d", 1e-3, None, True, True, inputs=[normal(2, 3, 2, 2)]),
    case("LazyBatchNorm2d", bias=False, inputs=[normal(2, 3, 2, 2)]).but(since=BIAS),
    case("LazyBatchNorm3d", 1e-5, 0.1, False, False, inputs=[normal(2, 3, 1, 2, 2)]),
    case("LazyInstanceNorm1d", inputs=[normal(2, 3, 4)]),
    case("LazyInstanceNorm2d", affine=False, inputs=[normal(2, 3, 2, 3)]),
    case("LazyInstanceNorm3d", track_running_stats=False, inputs=[normal(1, 2, 2, 2, 2)]),
]

BAD_ARGUMENTS = [
    bad("LazyConv2d", 4, 2, inputs=[normal(3, 4)]),
    bad("LazyConv2d", 4, 2, groups=2, inputs=[normal(1, 3, 3, 4)]),
    bad("LazyConv2d", 3, 2, 1, "full", inputs=[normal(1, 3, 3, 4)]),
    bad("LazyConvTranspose1d", 3, 2, padding_mode="reflect", inputs=[normal(2, 3)]),
    bad("LazyBatchNorm2d", inputs=[normal(2, 3)]),
]
