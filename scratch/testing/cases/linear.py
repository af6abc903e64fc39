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
    *(  # a bias for each row, or whatever else broadcasts to the output
        case("functional.linear", inputs=[normal(*shape), normal(3, 5), normal(*bias)])
        for shape, bias in (((4, 5), (4, 3)), ((4, 5), (1, 3)), ((2, 4, 5), (2, 1, 3)), ((5,), (1, 3)), ((4, 5), (1,)))
    ),
]

BAD_ARGUMENTS = [
    bad("functional.linear", inputs=[normal(), normal(3, 1)]),
    bad("functional.linear", inputs=[normal(4, 5), normal(5), normal(1)]),
    bad("functional.linear", inputs=[normal(4, 5), normal(3, 5), normal(2, 3)]),
    bad("Linear", 5, 3, inputs=[normal(4, 6)]),
    bad("Linear", -5, 3, inputs=[normal(4, 5)]),
]
