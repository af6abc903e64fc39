"""Cases of scratch/ops/bilinear.py."""

from scratch.testing import bad, case, integers, normal

CASES = [
    case("Bilinear", 4, 3, 2, inputs=[normal(5, 4), normal(5, 3)]),
    case("Bilinear", 4, 3, 2, False, inputs=[normal(2, 3, 4), normal(2, 3, 3)]),
    case("Bilinear", 4, 3, 2, inputs=[normal(4), normal(3)]),
    case("Bilinear", 4, 3, 2, inputs=[normal(0, 4), normal(0, 3)]),
    case("functional.bilinear", inputs=[normal(3, 2), normal(3, 4), normal(1, 2, 4), normal(1)]),
]

BAD_ARGUMENTS = [
    bad("functional.bilinear", inputs=[normal(3, 2), normal(3, 4), normal(1, 2, 4), integers(2, 1)]),
    bad("Bilinear", 0, 3, 2, inputs=[normal(5, 0), normal(5, 3)]),
    bad("Bilinear", 4, 3, 2, inputs=[normal(5, 3), normal(5, 3)]),
    bad("Bilinear", 4, 3, 2, inputs=[normal(5, 4), normal(1, 3)]),
    bad("Bilinear", 4, 3, 2, inputs=[normal(5, 4), normal(3)]),
    bad("functional.bilinear", inputs=[normal(3, 2), normal(3, 4), normal(1, 2, 4), normal(2)]),
    bad("functional.bilinear", inputs=[normal(3, 2), normal(3, 4), normal(2, 4)]),
]
