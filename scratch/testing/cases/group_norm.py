"""Cases of scratch/ops/norm/group_norm.py."""

from scratch.testing import bad, case, integers, normal
from scratch.testing.cases.common import BIAS, OFFSET

CASES = [
    *(case("GroupNorm", groups, 4, inputs=[normal(2, 4, 3)]) for groups in (1, 2, 4)),
    case("GroupNorm", 2, 4, 0.1, False, inputs=[normal(2, 4)]),
    case("GroupNorm", 2, 4, bias=False, inputs=[normal(2, 4, 2, 3)]).but(since=BIAS),
    case("GroupNorm", 2, 4, inputs=[normal(0, 4, 3)]),
    case("GroupNorm", 1, 4, inputs=[OFFSET]).but(finite_differences=False),
    case("functional.group_norm", 2, normal(4), normal(4), 0.2, inputs=[normal(2, 4, 3)]),
]

BAD_ARGUMENTS = [
    bad("functional.group_norm", 1, inputs=[normal(2, 0, 3)]).but(since=(2, 14)),
    *(bad("GroupNorm", groups, 6, inputs=[normal(2, 6)]) for groups in (4, 0, 2.5, "two")),
    bad("GroupNorm", 6, 6, inputs=[normal(1, 6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(2, 9)]),
    bad("GroupNorm", 3, 6, affine=False, inputs=[normal(2, 8)]),
    bad("GroupNorm", 3, 6, inputs=[integers(5, 2, 6)]),
    bad("GroupNorm", 3, 6, inputs=[normal(2, 6, 0)]).but(since=(2, 14)),
]
