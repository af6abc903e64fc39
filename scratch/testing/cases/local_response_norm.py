"""Cases of scratch/ops/norm/local_response_norm.py."""

from scratch.testing import bad, case, normal

CASES = [
    *(case("LocalResponseNorm", size, 0.5, inputs=[normal(2, 4, 3)]) for size in (1, 2, 3, 9)),
    case("LocalResponseNorm", 2, 1.5, 2.0, 0.5, inputs=[normal(1, 4, 2, 2)]),
    case("LocalResponseNorm", 2, inputs=[normal(0, 4, 2)]),
    case("functional.local_response_norm", 3, beta=0.5, inputs=[normal(1, 3, 2, 1, 2)]),
]

BAD_ARGUMENTS = [
    bad("LocalResponseNorm", 2, inputs=[normal(2, 6)]),
    *(bad("LocalResponseNorm", size, inputs=[normal(2, 6, 3)]) for size in (0, -1, 2.0)),
]
