"""Cases of scratch/nn/dropout.py."""

import math

from scratch.testing import bad, case, integers, normal

CASES = [
    *(case("Dropout", p, inputs=[normal(3, 4)]) for p in (0.0, 0.1, 0.5, 0.9, 1.0, 0, 1)),
    *(case("Dropout", inputs=[normal(*shape)]) for shape in ((), (0,), (7, 5, 3))),
    *(case("Dropout", p, inplace=True, inputs=[normal(3, 4)]) for p in (0.0, 0.3, 1.0)),
    case("functional.dropout", inputs=[normal(3, 4)]),
    case("functional.dropout", 0.3, False, inputs=[normal(3, 4)]),
    case("functional.dropout", 0.3, True, True, inputs=[normal(3, 4)]),
]

BAD_ARGUMENTS = [
    *(bad("Dropout", p, inputs=[normal(3)]) for p in (-0.1, 1.1, math.nan, "half")),
    bad("Dropout", inputs=[integers(5, 3)]),
    bad("functional.dropout", 2.0, False, inputs=[normal(3)]),
]
