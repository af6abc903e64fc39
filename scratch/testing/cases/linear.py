"""Cases of scratch/ops/linear.py, and of Identity."""

from scratch.testing import bad, case, normal

CASES = [
    case("Linear", 5, 3, inputs=[normal(4, 5)]),
    case("Linear", 5, 3, inputs=[normal(5)]),
    case("Linear", 5, 3, bias=False, inputs=[normal(2, 4, 5)]),
    case("Linear", 5, 3, inputs=[normal(0, 5)]),
    case("Linear", 1, 1, inputs=[normal(1, 1)]),
    case("Identity", 7, inputs=[normal(2, 3)]),
    case("functional.linear", inputs=[normal(4, 5), normal(3, 5), normal(3)]),
    case("functional.linear", inputs=[normal(4, 5), normal(5)]),
]

BAD_ARGUMENTS = [
    bad("Linear", 5, 3, inputs=[normal(4, 6)]),
    bad("Linear", -5, 3, inputs=[normal(4, 5)]),
]
