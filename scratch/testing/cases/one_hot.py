"""Cases of scratch/ops/embedding/one_hot.py."""

from scratch.testing import bad, case, given, integers

CASES = [
    case("functional.one_hot", inputs=[integers(5, 2, 3)]),
    case("functional.one_hot", 7, inputs=[integers(5, 2, 0)]),
]

BAD_ARGUMENTS = [
    bad("functional.one_hot", 3, inputs=[given([3])]),
    bad("functional.one_hot", inputs=[given([-1])]),
    bad("functional.one_hot", inputs=[given([1.0])]),
    bad("functional.one_hot", inputs=[integers(5, 0)]),
    bad("functional.one_hot", 0, inputs=[given([0])]),
]
