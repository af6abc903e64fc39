"""Cases of scratch/ops/norm/rms_norm.py."""

import torch

from scratch.testing import bad, case, integers, normal
from scratch.testing.cases.common import OFFSET, TINY

CASES = [
    *(case("RMSNorm", 4, inputs=[normal(*shape)]) for shape in ((3, 4), (4,), (2, 3, 4), (0, 4))),
    *(case("RMSNorm", size, inputs=[normal(3, size)]) for size in (0, 1)),
    *(case("RMSNorm", shape, inputs=[normal(2, 3, 4)]) for shape in ([3, 4], (2, 3, 4), torch.Size((4,)))),
    case("RMSNorm", 4, 0.1, inputs=[normal(3, 4)]),
    case("RMSNorm", 4, elementwise_affine=False, inputs=[normal(3, 4)]),
    *(case("RMSNorm", 4, inputs=[values]).but(finite_differences=False) for values in (OFFSET, TINY)),
    case("functional.rms_norm", [4], inputs=[normal(3, 4)]),
    case("functional.rms_norm", (3, 4), normal(3, 4), 0.2, inputs=[normal(2, 3, 4)]),
]

BAD_ARGUMENTS = [
    *(bad("RMSNorm", shape, inputs=[normal(3, 4)]) for shape in (3, (4, 3), (2, 3, 4), (), "four", 4.0, -4)),
    bad("RMSNorm", 4, inputs=[integers(5, 3, 4)]),
    bad("functional.rms_norm", (4,), normal(3), inputs=[normal(3, 4)]),
]
