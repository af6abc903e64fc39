"""Cases of scratch/ops/loss/binary_cross_entropy.py: of logits, of probabilities, and of several labels at once."""

from collections.abc import Iterator

from scratch.testing import Case, bad, case, given, integers, normal, probabilities, uniform
from scratch.testing.cases.common import REDUCTIONS, undefined

FAR = given([1000.0, -1000.0, 1000.0, -1000.0, 0.0, -0.0, 40.0, -40.0])
FAR_TARGET = given([1.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.25, 0.25])
SURE = [given([0.0, 1.0, 0.0, 1.0, 1e-300, 0.5]), given([0.0, 1.0, 1.0, 0.0, 1.0, 0.5])]


def of_logits() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        for shape in ((3, 4), (), (2, 3, 4)):
            yield case("BCEWithLogitsLoss", reduction=reduction, inputs=[normal(*shape), uniform(*shape)])
        yield undefined("BCEWithLogitsLoss", reduction=reduction, inputs=[normal(0, 4), uniform(0, 4)])
        for weight in (None, uniform(3, 4), uniform(4), uniform(3, 1)):
            for pos_weight in (None, uniform(4, high=3.0), uniform(3, 1)):
                options = {"reduction": reduction, "pos_weight": pos_weight}
                yield case("BCEWithLogitsLoss", weight, inputs=[normal(3, 4), uniform(3, 4)], **options)
    for size_average, reduce in ((False, None), (None, False)):
        yield case("BCEWithLogitsLoss", None, size_average, reduce, inputs=[normal(3), uniform(3)])
    for reduction in REDUCTIONS:
        for pos_weight in (None, given(2.5)):
            options = {"reduction": reduction, "pos_weight": pos_weight, "inputs": [FAR, FAR_TARGET]}
            yield case("BCEWithLogitsLoss", **options).but(second_order=False)


def of_probabilities() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        yield case("BCELoss", reduction=reduction, inputs=[probabilities(3, 4), uniform(3, 4)])
        yield case("BCELoss", uniform(4), reduction=reduction, inputs=[probabilities(3, 4), uniform(3, 4)])
    yield case("BCELoss", reduction="none", inputs=SURE).but(finite_differences=False, second_order=False)
    yield case("BCELoss", inputs=[uniform(0, 3), uniform(0, 3)]).but(finite_differences=False, second_order=False)


def of_several_labels() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        yield case("MultiLabelSoftMarginLoss", inputs=[normal(3, 4), uniform(3, 4)], reduction=reduction)
    yield case("MultiLabelSoftMarginLoss", uniform(4), inputs=[normal(3, 4), uniform(3, 4)])
    yield case("MultiLabelSoftMarginLoss", inputs=[normal(4), uniform(4)])
    yield case("MultiLabelSoftMarginLoss", inputs=[normal(3, 4), integers(2, 3, 4)])


CASES = [*of_logits(), *of_probabilities(), *of_several_labels()]

BAD_ARGUMENTS = [
    *(bad("BCELoss", inputs=[uniform(3), given([0.5, target, 1.0])]) for target in (2.0, -0.5, 1.0000001)),
    bad("BCEWithLogitsLoss", inputs=[normal(3, 4), uniform(4)]),
    bad("BCEWithLogitsLoss", reduction="median", inputs=[normal(3), uniform(3)]),
    bad("BCEWithLogitsLoss", inputs=[normal(3), integers(2, 3)]),
    *(
        bad("BCEWithLogitsLoss", inputs=[normal(3, 4), uniform(3, 4)], **{name: factor})
        for name in ("weight", "pos_weight")
        for factor in (uniform(3), uniform(2, 3, 4))
    ),
    bad("functional.binary_cross_entropy_with_logits", inputs=[normal(3), uniform(3), uniform(3)]),
    bad("BCELoss", inputs=[normal(3, 4), uniform(3, 4)]),
    bad("BCELoss", inputs=[uniform(3, 4), uniform(4)]),
    bad("BCELoss", uniform(3), inputs=[uniform(3, 4), uniform(3, 4)]),
    bad("BCELoss", reduction="median", inputs=[uniform(3), uniform(3)]),
    bad("MultiLabelSoftMarginLoss", reduction="median", inputs=[normal(3), uniform(3)]),
]
