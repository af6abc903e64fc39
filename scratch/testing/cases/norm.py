"""Cases of scratch/nn/norm.py."""

import torch

from scratch.testing import bad, case, given, integers, normal

OFFSET = given([[1e4, 1e4 + 1, 1e4 - 1, 1e4 + 2], [-1e4, -1e4, -1e4, 5 - 1e4], [3.0, 3.0, 3.0, 3.0]])
TINY = given([[1e-9, -2e-9, 3e-9, 0.0], [0.0, 0.0, 0.0, 0.0], [1e150, -1e150, 0.0, 1e150]])

CASES = [
    *(
        case(name, 4, inputs=[normal(*shape)])
        for name in ("LayerNorm", "RMSNorm")
        for shape in ((3, 4), (4,), (2, 3, 4))
    ),
    *(case(name, 4, inputs=[normal(0, 4)]) for name in ("LayerNorm", "RMSNorm")),
    *(case(name, 0, inputs=[normal(3, 0)]) for name in ("LayerNorm", "RMSNorm")),
    *(case(name, 1, inputs=[normal(3, 1)]) for name in ("LayerNorm", "RMSNorm")),
    *(
        case(name, shape, inputs=[normal(2, 3, 4)])
        for name in ("LayerNorm", "RMSNorm")
        for shape in ([3, 4], (2, 3, 4), torch.Size((4,)))
    ),
    case("LayerNorm", 4, 0.1, inputs=[normal(3, 4)]),
    case("LayerNorm", 4, elementwise_affine=False, inputs=[normal(3, 4)]),
    case("LayerNorm", 4, bias=False, inputs=[normal(3, 4)]),
    case("LayerNorm", (3, 4), eps=0.0, inputs=[normal(2, 3, 4)]),
    *(case("LayerNorm", 4, inputs=[values]).but(finite_differences=False) for values in (OFFSET, TINY)),
    case("RMSNorm", 4, 0.1, inputs=[normal(3, 4)]),
    case("RMSNorm", 4, elementwise_affine=False, inputs=[normal(3, 4)]),
    *(case("RMSNorm", 4, inputs=[values]).but(finite_differences=False) for values in (OFFSET, TINY)),
    case("functional.layer_norm", [4], inputs=[normal(3, 4)]),
    case("functional.layer_norm", (4,), None, normal(4), inputs=[normal(3, 4)]),
    case("functional.layer_norm", (4,), normal(4), normal(4), 0.2, inputs=[normal(2, 3, 4)]),
    case("functional.rms_norm", [4], inputs=[normal(3, 4)]),
    *(case("GroupNorm", groups, 4, inputs=[normal(2, 4, 3)]) for groups in (1, 2, 4)),
    case("GroupNorm", 2, 4, 0.1, False, inputs=[normal(2, 4)]),
    case("GroupNorm", 2, 4, bias=False, inputs=[normal(2, 4, 2, 3)]),
    case("GroupNorm", 2, 4, inputs=[normal(0, 4, 3)]),
    case("GroupNorm", 1, 4, inputs=[OFFSET]).but(finite_differences=False),
    case("functional.group_norm", 2, normal(4), normal(4), 0.2, inputs=[normal(2, 4, 3)]),
    *(case("LocalResponseNorm", size, 0.5, inputs=[normal(2, 4, 3)]) for size in (1, 2, 3, 9)),
    case("LocalResponseNorm", 2, 1.5, 2.0, 0.5, inputs=[normal(1, 4, 2, 2)]),
    case("LocalResponseNorm", 2, inputs=[normal(0, 4, 2)]),
    case("functional.local_response_norm", 3, beta=0.5, inputs=[normal(1, 3, 2, 1, 2)]),
    case("functional.rms_norm", (3, 4), normal(3, 4), 0.2, inputs=[normal(2, 3, 4)]),
]

BAD_ARGUMENTS = [
    bad("functional.group_norm", 1, inputs=[normal(2, 0, 3)]),
    *(
        bad(name, shape, inputs=[normal(3, 4)])
        for name in ("LayerNorm", "RMSNorm")
        for shape in (3, (4, 3), (2, 3, 4), (), "four", 4.0, -4)
    ),
    *(bad(name, 4, inputs=[integers(5, 3, 4)]) for name in ("LayerNorm", "RMSNorm")),
    *(bad(f"functional.{name}", (4,), normal(3), inputs=[normal(3, 4)]) for name in ("layer_norm", "rms_norm")),
    bad("functional.layer_norm", (4,), normal(4), normal(1), inputs=[normal(3, 4)]),
    *(bad("GroupNorm", groups, 6, inputs=[normal(2, 6)]) for groups in (4, 0, 2.5, "two")),
    bad("GroupNorm", 6, 6, inputs=[normal(1, 6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(2, 9)]),
    bad("GroupNorm", 3, 6, affine=False, inputs=[normal(2, 8)]),
    bad("GroupNorm", 3, 6, inputs=[integers(5, 2, 6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(2, 6, 0)]),
    bad("LocalResponseNorm", 2, inputs=[normal(2, 6)]),
    *(bad("LocalResponseNorm", size, inputs=[normal(2, 6, 3)]) for size in (0, -1, 2.0)),
]
