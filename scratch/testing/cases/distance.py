"""Cases of scratch/nn/distance.py."""

import math

from scratch.testing import bad, case, given, integers, normal

ROWS = [normal(3, 4), normal(3, 4)]
ZERO = [given([[0.0, 0.0], [1.0, 2.0], [3e-9, 0.0]]), given([[1.0, 1.0], [1.0, 2.0], [1.0, 1.0]])]

CASES = [
    *(case("PairwiseDistance", p, inputs=ROWS) for p in (2.0, 1.0, 3.5, math.inf)),
    case("PairwiseDistance", 1.5, 0.1, True, inputs=[normal(3, 4), normal(4)]),
    case("PairwiseDistance", inputs=[normal(4), normal(4)]),
    case("PairwiseDistance", inputs=[normal(0, 4), normal(0, 4)]),
    *(
        case("PairwiseDistance", p, 0.0, inputs=ZERO).but(finite_differences=False, second_order=False)
        for p in (2.0, 1.0, math.inf)
    ),
    case("CosineSimilarity", inputs=ROWS),
    case("CosineSimilarity", 0, 2.5, inputs=[normal(3, 2), normal(3, 1)]).but(
        finite_differences=False
    ),  # eps is larger
    case("CosineSimilarity", -1, inputs=[normal(2, 1, 3), normal(2, 3)]),
    case("CosineSimilarity", inputs=ZERO).but(finite_differences=False, second_order=False),
    case("functional.cosine_similarity", inputs=ROWS),
    case("functional.pairwise_distance", keepdim=True, inputs=ROWS),
    *(case("functional.normalize", p, inputs=[normal(3, 4)]) for p in (2.0, 1.0, 3.0, math.inf)),
    case("functional.normalize", dim=0, eps=1.2, inputs=[normal(3, 4)]),
    case("functional.normalize", inputs=ZERO[:1]).but(finite_differences=False, second_order=False),
    *(case("functional.pdist", p, inputs=[normal(4, 3)]) for p in (2.0, 1.0, 3.0, math.inf)),
    case("functional.pdist", inputs=[normal(1, 3)]),
    case("functional.normalize", dim=0, inputs=[normal()]),
    case("functional.normalize", 1.5, -1, inputs=[normal()]),
    case("functional.cosine_similarity", 0, inputs=[normal(), normal()]).but(finite_differences=False),
]

BAD_ARGUMENTS = [
    bad("PairwiseDistance", inputs=[normal(3, 4), normal(3, 3)]),
    bad("CosineSimilarity", 2, inputs=ROWS),
    bad("CosineSimilarity", inputs=[integers(5, 3, 4), integers(5, 3, 4)]),
    bad("functional.pdist", inputs=[normal(3)]),
    bad("functional.pdist", -1.0, inputs=[normal(3, 2)]),
    bad("functional.normalize", dim=2, inputs=[normal(3, 4)]),
    bad("functional.normalize", inputs=[normal()]),
]
