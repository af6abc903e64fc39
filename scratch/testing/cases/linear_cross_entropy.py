"""Cases of scratch/nn/linear_cross_entropy.py."""

from scratch.testing import bad, case, given, integers, normal, probabilities, uniform

LCE = "LinearCrossEntropyLoss"
FUSED = "functional.linear_cross_entropy"
IGNORED = given([1, -100, 4, -100])
HUGE = given([[800.0, 0.0, 0.0], [0.0, -800.0, 0.0], [800.0, 0.0, 800.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
NOTHING = given([-100, -100])

CASES = [
    *(
        case(LCE, 3, 5, inputs=[normal(4, 3), target], bias=bias, reduction=reduction, label_smoothing=smoothing)
        for bias, smoothing in ((False, 0.0), (True, 0.3))
        for reduction in ("mean", "sum", "none")
        for target in (integers(5, 4), IGNORED)
    ),
    *(
        case(LCE, 3, 5, inputs=[normal(4, 3), IGNORED], bias=True, reduction=reduction, **options)
        for reduction in ("mean", "sum", "none")
        for options in (
            {"weight": uniform(5, low=0.1)},
            {"weight": uniform(5, low=0.1), "label_smoothing": 0.3},
            {"label_smoothing": 1.0},
        )
    ),
    *(case(LCE, 3, 5, inputs=[normal(3), given(2)], bias=True, reduction=reduction) for reduction in ("mean", "none")),
    *(case(LCE, 3, 5, inputs=[normal(2, 3), NOTHING], reduction=reduction) for reduction in ("sum", "none")),
    case(LCE, 3, 5, inputs=[normal(2, 3), NOTHING]).but(
        second_order=False
    ),  # a derivative of NaN by the upstream gradient
    *(
        case(LCE, 3, 5, inputs=[normal(0, 3), integers(5, 0)], bias=True, reduction=reduction)
        for reduction in ("sum", "none")
    ),
    case(LCE, 3, 5, inputs=[normal(0, 3), integers(5, 0)]).but(second_order=False),
    case(LCE, 1, 1, inputs=[normal(1, 1), given([0])], bias=True),
    case(LCE, 3, 5, inputs=[normal(4, 3), integers(5, 4)], ignore_index=2),
    case(LCE, 3, 5, inputs=[normal(4, 3), probabilities(4, 5)], bias=True),
    case(LCE, 3, 5, inputs=[normal(4, 3), integers(5, 4, 2)], out_features=(2,), bias=True),
    case(LCE, 3, 5, inputs=[normal(4, 3), probabilities(4, 5, 2, dim=1)], out_features=(2,), label_smoothing=0.1),
    case(FUSED, inputs=[normal(4, 3), normal(5, 3), integers(5, 4)]),
    case(FUSED, inputs=[normal(4, 3), normal(5, 3), IGNORED], linear_bias=normal(5), label_smoothing=0.1),
    case(FUSED, inputs=[normal(4, 3), normal(5, 2, 3), integers(5, 4, 2)]),
    case(FUSED, inputs=[normal(4, 3), HUGE, IGNORED]).but(finite_differences=False, second_order=False),
]

BAD_ARGUMENTS = [
    *(
        bad(LCE, 3, 5, inputs=[normal(4, 3), target])
        for target in (integers(5, 3), given([0, 1, 5, 2]), given([0, 1, -1, 2]), normal(4), integers(5, 4, 2))
    ),
    bad(LCE, 3, 5, inputs=[normal(4, 2), integers(5, 4)]),
    bad(LCE, 3, 5, inputs=[normal(2, 4, 3), integers(5, 2, 4)]),
    bad(LCE, 3, 5, inputs=[normal(4, 3), integers(5, 4)], weight=normal(4)),
    *(bad(LCE, 3, 5, inputs=[normal(4, 3), integers(5, 4)], label_smoothing=s) for s in (-0.1, 1.1)),
    bad(LCE, 3, 5, inputs=[normal(4, 3), integers(5, 4)], reduction="median"),
    bad(LCE, 3, 5, inputs=[normal(4, 3), probabilities(4, 5)], ignore_index=1),
    bad(LCE, 3, 5, out_features=(2,), inputs=[normal(3), integers(5, 2)]),
    bad(FUSED, inputs=[normal(4, 3), normal(3), integers(5, 4)]),
    bad(FUSED, inputs=[normal(4, 3), normal(5, 3), integers(5, 4)], linear_bias=normal(4)),
]
