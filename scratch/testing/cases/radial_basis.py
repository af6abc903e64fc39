"""Cases of scratch/ops/radial_basis.py. The reference is zoo.layers, since torch.nn has no such layer."""

from scratch.testing import bad, case, given, normal

CASES = [
    each.but(reference="zoo.layers")
    for each in (
        case("RadialBasis", 3, 4, inputs=[normal(5, 3)]),
        case("RadialBasis", 3, 2, inputs=[normal(2, 2, 3)]),
        case("RadialBasis", 3, 2, inputs=[normal(3)]),
        case("RadialBasis", 3, 2, inputs=[normal(0, 3)]),
        case("RadialBasis", 2, 2, inputs=[given([[300.0, -300.0], [1e4, 1e4]])]).but(finite_differences=False),
    )
]

BAD_ARGUMENTS = [bad("RadialBasis", 3, 2, inputs=[normal(2, 4)]).but(reference="zoo.layers")]
