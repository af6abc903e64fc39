"""Cases of scratch/ops/activation/shrinkage.py."""

from scratch.testing import bad, booleans, case, distinct, integers, normal
from scratch.testing.cases.common import INFINITE, LARGE, PIECES

CASES = [
    *(case(name, inputs=[values]) for name in ("Hardshrink", "Softshrink") for values in (distinct(3, 4), LARGE)),
    *(
        case(name, inputs=[values]).but(finite_differences=False)
        for name in ("Hardshrink", "Softshrink")
        for values in (PIECES, INFINITE)
    ),
    *(case("Hardshrink", *args, inputs=[distinct(3, 2)]) for args in ((0.3,), (0.0,), (-0.3,))),
    case("Softshrink", 0.0, inputs=[distinct(3, 2)]),
    *(case("Tanhshrink", inputs=[values]) for values in (normal(3, 4), LARGE)),
    case("functional.tanhshrink", inputs=[integers(9, 3, low=-9)]),
]

BAD_ARGUMENTS = [
    *(bad("Hardshrink", inputs=[values]) for values in (integers(9, 3), booleans(3))),
    bad("Softshrink", inputs=[integers(9, 4)]),
    bad("Softshrink", -0.1, inputs=[normal(3)]),
    bad("Tanhshrink", inputs=[booleans(3)]),
]
