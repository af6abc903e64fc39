"""Cases of scratch/ops/norm/layer_norm.py."""

import torch

from scratch.testing import bad, case, integers, normal
from scratch.testing.cases.common import OFFSET, TINY

CASES = [
    *(case("LayerNorm", 4, inputs=[normal(*shape)]) for shape in ((3, 4), (4,), (2, 3, 4), (0, 4))),
    *(case("LayerNorm", size, inputs=[normal(3, size)]) for size in (0, 1)),
    *(case("LayerNorm", shape, inputs=[normal(2, 3, 4)]) for shape in ([3, 4], (2, 3, 4), torch.Size((4,)))),
    case("LayerNorm", 4, 0.1, inputs=[normal(3, 4)]),
    case("LayerNorm", 4, elementwise_affine=False, inputs=[normal(3, 4)]),
    case("LayerNorm", 4, bias=False, inputs=[normal(3, 4)]),
    case("LayerNorm", (3, 4), eps=0.0, inputs=[normal(2, 3, 4)]),
    *(case("LayerNorm", 4, inputs=[values]).but(finite_differences=False) for values in (OFFSET, TINY)),
    *(
        case("LayerNorm", 256, inputs=[normal(520, 256)], **options).but(finite_differences=False, second_order=False)
        for options in ({}, {"elementwise_affine": False}, {"bias": False})  # many numbers
    ),
    case("functional.layer_norm", [4], inputs=[normal(3, 4)]),
    case("functional.layer_norm", (4,), None, normal(4), inputs=[normal(3, 4)]),
    case("functional.layer_norm", (4,), normal(4), normal(4), 0.2, inputs=[normal(2, 3, 4)]),
]

BAD_ARGUMENTS = [
    *(bad("LayerNorm", shape, inputs=[normal(3, 4)]) for shape in (3, (4, 3), (2, 3, 4), (), "four", 4.0, -4)),
    bad("LayerNorm", 4, inputs=[integers(5, 3, 4)]),
    bad("functional.layer_norm", (4,), normal(3), inputs=[normal(3, 4)]),
    bad("functional.layer_norm", (4,), normal(4), normal(1), inputs=[normal(3, 4)]),
]
