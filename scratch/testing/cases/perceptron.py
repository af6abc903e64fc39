"""Cases of scratch/nn/perceptron.py and radial_basis.py. The reference is zoo.layers, since torch.nn has neither."""

from scratch.testing import bad, case, distinct, given, integers, normal

CASES = [
    each.but(reference="zoo.layers")
    for each in (
        case("Step", inputs=[distinct(3, 4)]),
        case("Step", inputs=[normal(0, 3)]),
        case("Step", inputs=[given([0.0, -0.0, 1e-310, -1e-310, float("inf"), -float("inf")])]).but(
            finite_differences=False
        ),
        *(case("PerceptronLoss", how, inputs=[normal(4, 3), integers(3, 4)]) for how in ("mean", "sum", "none")),
        case("PerceptronLoss", inputs=[given([[0.0, -0.0, 1.0]]), given([1])]).but(finite_differences=False),
        case("RadialBasis", 3, 4, inputs=[normal(5, 3)]),
        case("RadialBasis", 3, 2, inputs=[normal(2, 2, 3)]),
        case("RadialBasis", 3, 2, inputs=[normal(3)]),
        case("RadialBasis", 3, 2, inputs=[normal(0, 3)]),
        case("RadialBasis", 2, 2, inputs=[given([[300.0, -300.0], [1e4, 1e4]])]).but(finite_differences=False),
    )
]

BAD_ARGUMENTS = [
    each.but(reference="zoo.layers")
    for each in (
        bad("Step", inputs=[integers(3, 4)]),
        bad("PerceptronLoss", "median", inputs=[normal(4, 3), integers(3, 4)]),
        bad("PerceptronLoss", inputs=[normal(4, 3), integers(3, 5)]),
        bad("PerceptronLoss", inputs=[normal(4, 3), given([0, 1, 2, 3])]),
        bad("RadialBasis", 3, 2, inputs=[normal(2, 4)]),
    )
]
