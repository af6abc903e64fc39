"""Cases of scratch/ops/loss/perceptron.py. The reference is zoo.layers, since torch.nn has neither loss nor step."""

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
    )
]

BAD_ARGUMENTS = [
    each.but(reference="zoo.layers")
    for each in (
        bad("Step", inputs=[integers(3, 4)]),
        bad("PerceptronLoss", "median", inputs=[normal(4, 3), integers(3, 4)]),
        bad("PerceptronLoss", inputs=[normal(4, 3), integers(3, 5)]),
        bad("PerceptronLoss", inputs=[normal(4, 3), given([0, 1, 2, 3])]),
    )
]
