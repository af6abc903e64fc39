"""Cases of scratch/ops/activation/gated.py: GELU, SiLU, Mish, Hardswish and GLU."""

from scratch.testing import bad, booleans, case, distinct, given, integers, normal
from scratch.testing.cases.common import LARGE, PIECES, SHAPES

TAILS = given([0.0, -0.0, 1e-9, -1e-9, -3.0, -6.0, 6.0])

CASES = [
    *(case("GELU", inputs=[normal(*shape)]) for shape in SHAPES),
    case("GELU", inputs=[LARGE]),
    *(case("GELU", approximate="tanh", inputs=[values]) for values in (normal(3, 4), LARGE)),
    *(case("GELU", approximate, inputs=[TAILS]) for approximate in ("tanh", "none")),
    case("functional.gelu", approximate="tanh", inputs=[normal(3, 4)]),
    *(case("SiLU", inputs=[values]) for values in (normal(3, 4), LARGE)),
    case("Mish", inputs=[normal(3, 4)]),
    case("Mish", inputs=[given([-300.0, -40.0, -15.0, 15.0, 40.0, 300.0])]),
    case("Mish", inputs=[LARGE]).but(second_order=False),  # the native one's is NaN
    *(case("Hardswish", inputs=[values]) for values in (distinct(3, 4), LARGE)),
    case("Hardswish", inputs=[PIECES]).but(finite_differences=False),
    *(case(name, inplace=True, inputs=[distinct(3)]) for name in ("Hardswish", "SiLU", "Mish")),
    *(
        case("GLU", dim, inputs=[normal(*shape)])
        for dim, shape in ((-1, (3, 4)), (1, (2, 4, 3)), (0, (2,)), (0, (0, 3)))
    ),
    case("GLU", inputs=[LARGE]).but(finite_differences=False),
]

BAD_ARGUMENTS = [
    bad("GELU", approximate="erf", inputs=[normal(3)]),
    bad("GELU", inputs=[integers(9, 3)]),
    *(bad(name, inputs=[values]) for name in ("SiLU", "Mish", "Hardswish") for values in (integers(9, 3), booleans(3))),
    bad("GLU", inputs=[integers(9, 4)]),
    bad("GLU", inputs=[normal(3)]),
    bad("GLU", inputs=[normal()]),
    bad("GLU", 2, inputs=[normal(4, 4)]),
]
