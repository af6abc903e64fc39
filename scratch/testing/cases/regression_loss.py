"""Cases of scratch/ops/loss/regression_loss.py."""

from collections.abc import Iterator

from scratch.testing import Case, bad, case, given, integers, normal, uniform
from scratch.testing.cases.common import NOTHING, REDUCTIONS, undefined

PAIR = [normal(3, 4), normal(3, 4)]
ENDS = [given([1.0, -1.0, 0.5, -0.5, 0.0, 1e30, -1e30]), given([0.0] * 7)]  # where two pieces meet


def squared() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        yield undefined("MSELoss", reduction=reduction, inputs=[normal(0, 3), normal(0, 3)])
        for shapes in (((3, 4), (3, 4)), ((), ()), ((3, 4), (4,)), ((3, 1), (1, 4))):
            yield case("MSELoss", reduction=reduction, inputs=[normal(*shape) for shape in shapes])
        for shapes in (((3, 4), (3, 4)), ((1, 4), (3, 4)), ((3, 4), (4,))):
            inputs = [normal(*shape) for shape in shapes]
            options = [NOTHING, NOTHING, lambda _, value=reduction: value]
            yield case("functional.mse_loss", inputs=[*inputs, *options, uniform(*shapes[0])])
    for size_average in (None, True, False):
        yield case("MSELoss", size_average, False, inputs=[normal(3), normal(3)])
        yield case("MSELoss", size_average, inputs=[normal(3), normal(3)])
    yield case("MSELoss", inputs=[normal(3), integers(4, 3)]).but(since=(2, 13))


def absolute() -> Iterator[Case]:
    for name in ("L1Loss", "SmoothL1Loss", "HuberLoss"):
        for reduction in REDUCTIONS:
            yield case(name, reduction=reduction, inputs=PAIR)
        yield case(name, inputs=[normal(3, 1), normal(1, 4)])
        yield case(name, reduction="none", inputs=ENDS).but(finite_differences=False)
        yield case(name, inputs=[normal(0, 3), normal(0, 3)]).but(finite_differences=False, second_order=False)
    for size_average, reduce in ((False, None), (None, False)):
        yield case("L1Loss", size_average, reduce, inputs=PAIR)
    for beta in (0.3, 0.0):
        yield case("SmoothL1Loss", beta=beta, inputs=PAIR)
    yield case("HuberLoss", delta=0.3, inputs=PAIR)
    for reduction in REDUCTIONS:
        yield case("functional.l1_loss", reduction=reduction, weight=uniform(3, 4), inputs=PAIR)
        yield case("functional.huber_loss", reduction=reduction, weight=uniform(3, 4), inputs=PAIR)
    yield case("functional.smooth_l1_loss", beta=0.5, inputs=PAIR)


CASES = [*squared(), *absolute()]

BAD_ARGUMENTS = [
    bad("MSELoss", inputs=[normal(3, 4), normal(3)]),
    bad("MSELoss", inputs=[integers(3, 4), integers(3, 4)]),
    bad("MSELoss", reduction="median", inputs=[normal(3), normal(3)]),
    bad("functional.mse_loss", inputs=[normal(3), normal(3), NOTHING, NOTHING, lambda _: "mean", uniform(2)]),
    *(bad(name, inputs=[normal(3, 4), normal(3)]) for name in ("L1Loss", "SmoothL1Loss", "HuberLoss")),
    *(bad(name, reduction="median", inputs=PAIR) for name in ("L1Loss", "SmoothL1Loss", "HuberLoss")),
    *(bad(name, inputs=[integers(3, 4), integers(3, 4)]) for name in ("L1Loss", "SmoothL1Loss", "HuberLoss")),
    bad("SmoothL1Loss", beta=-1.0, inputs=PAIR),
    bad("HuberLoss", delta=0.0, inputs=PAIR),
    bad("HuberLoss", delta="one", inputs=PAIR),
    bad("functional.l1_loss", weight=uniform(4), inputs=PAIR),
    bad("functional.huber_loss", weight=uniform(4), inputs=PAIR),
]
