"""Cases of scratch/nn/adaptive_softmax.py."""

from scratch.testing import bad, case, given, integers, normal

CASES = [
    case("AdaptiveLogSoftmaxWithLoss", 8, 10, [3, 6], inputs=[normal(6, 8), integers(10, 6)]),
    case("AdaptiveLogSoftmaxWithLoss", 8, 10, (4,), 2.0, True, inputs=[normal(3, 8), given([0, 1, 2])]),
    case("AdaptiveLogSoftmaxWithLoss", 8, 10, [2, 5], div_value=2.0, inputs=[normal(8), given(7)]),
]

BAD_ARGUMENTS = [
    *(
        bad("AdaptiveLogSoftmaxWithLoss", 8, 10, cutoffs, inputs=[normal(3, 8), integers(10, 3)])
        for cutoffs in ([], [6, 3], [3, 3], [0, 3], [3, 10], [2.5])
    ),
    bad("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], inputs=[normal(3, 8), integers(10, 2)]),
    bad("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], inputs=[normal(3, 8), given([0, 10, 1])]),
    bad("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], inputs=[normal(8), given([1])]),
    bad("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], inputs=[normal(1, 8), given(1)]),
    bad("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], inputs=[normal(1, 8), given([[1]])]),
]
