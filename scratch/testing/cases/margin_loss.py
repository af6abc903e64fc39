"""Cases of scratch/ops/loss/margin_loss.py."""

from collections.abc import Iterator

import torch

from scratch.testing import Case, bad, booleans, case, distinct, given, integers, normal, uniform
from scratch.testing.calls import source
from scratch.testing.cases.common import REDUCTIONS


@source
def signs(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """±1, as whole numbers: a target, which gets no gradient."""
    return torch.randint(2, shape, generator=generator) * 2 - 1


TRIPLET = [normal(4, 3), normal(4, 3), normal(4, 3)]
KINKS = (2, 14)  # before, clamp_min passed gradients on where x = min
LABELS = given([[2, 0, -1, 1], [3, 3, 1, 0], [-1, 0, 1, 2]])  # first two; one twice; none


def norm_4(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return ((a - b) ** 4).sum(-1)


def margins() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        options = {"reduction": reduction}
        yield case("HingeEmbeddingLoss", inputs=[distinct(3, 4), signs(3, 4)], **options)
        yield case("MarginRankingLoss", inputs=[normal(5), normal(5), signs(5)], **options)
        yield case("SoftMarginLoss", inputs=[normal(3, 4), signs(3, 4)], **options)
        yield case("CosineEmbeddingLoss", inputs=[normal(4, 3), normal(4, 3), signs(4)], **options)
        yield case("MultiMarginLoss", inputs=[normal(3, 4), integers(4, 3)], **options)
        yield case("MultiMarginLoss", 2, 0.7, uniform(4), inputs=[normal(3, 4), integers(4, 3)], **options)
        yield case("MultiLabelMarginLoss", inputs=[normal(3, 4), LABELS], **options)
        yield case("TripletMarginLoss", inputs=TRIPLET, **options)
        yield case("TripletMarginWithDistanceLoss", inputs=TRIPLET, **options)
    yield case("HingeEmbeddingLoss", 0.3, inputs=[distinct(3), given([1, -1, 0])])
    tie = case("HingeEmbeddingLoss", inputs=[given([1.0, 1.0, 0.0]), given([1, -1, -1])])
    yield tie.but(finite_differences=False, since=KINKS)
    yield case("MarginRankingLoss", 0.4, inputs=[normal(3, 2), normal(1, 2), normal(3, 1)])
    tie = case("MarginRankingLoss", inputs=[given([1.0, 2.0]), given([1.0, 1.0]), given([1, 1])])
    yield tie.but(finite_differences=False, since=KINKS)
    yield case("SoftMarginLoss", inputs=[given([-300.0, -40.0, 40.0, 300.0]), given([1, 1, 1, 1])])
    yield case("CosineEmbeddingLoss", 0.2, inputs=[normal(3), normal(3), given(-1)])
    below_between_above = given([[-1.0, 1.0], [0.3, 1.0], [1.0, 0.2]])  # of 0 and the margin, as cosines with (1, 0)
    yield case("CosineEmbeddingLoss", 0.5, inputs=[given([[1.0, 0.0]] * 3), below_between_above, given([-1, -1, -1])])
    yield case("CosineEmbeddingLoss", -0.5, inputs=[normal(4, 3), normal(4, 3), given([-1, -1, 1, 0])])
    yield case("MultiMarginLoss", inputs=[normal(4), integers(4)])
    yield case("MultiMarginLoss", reduction="none", inputs=[normal(4), integers(4, 1)])
    tie = case("MultiMarginLoss", inputs=[given([[1.0, 0.0, 2.0]]), given([0])])
    yield tie.but(finite_differences=False)
    yield case("MultiLabelMarginLoss", inputs=[normal(4), given([1, 2, -1, -1])])
    yield case("MultiLabelMarginLoss", reduction="none", inputs=[normal(4), given([1, 2, -1, -1])])
    yield case("TripletMarginLoss", 0.5, 1.0, 0.1, True, inputs=TRIPLET)
    yield case("TripletMarginLoss", p=3.0, inputs=[normal(3), normal(3), normal(3)])
    yield case("TripletMarginWithDistanceLoss", distance_function=norm_4, margin=0.5, swap=True, inputs=TRIPLET)
    alike = case("TripletMarginLoss", swap=True, eps=0.0, inputs=[given([[1.0, 2.0]])] * 3)
    yield alike.but(finite_differences=False, second_order=False)


CASES = [*margins()]

BAD_ARGUMENTS = [
    bad("MultiLabelSoftMarginLoss", inputs=[normal(3, 4), booleans(3, 4)]),
    *(
        bad(name, reduction="median", inputs=[normal(3), given([1, -1, 1])])
        for name in ("HingeEmbeddingLoss", "SoftMarginLoss")
    ),
    bad("MarginRankingLoss", inputs=[normal(3), normal(3, 1), given([1, 1, 1])]),
    bad("CosineEmbeddingLoss", inputs=[normal(3, 2), normal(3, 2), given(1)]),
    bad("CosineEmbeddingLoss", inputs=[normal(3, 2), normal(2), given([1, 1, 1])]),
    bad("MultiMarginLoss", 3, inputs=[normal(3, 4), integers(4, 3)]),
    bad("MultiMarginLoss", inputs=[normal(3, 4), given([1, 0, 2], dtype=torch.int32)]),
    bad("MultiLabelMarginLoss", inputs=[normal(3, 4), given([[1, -1, 0, 0]] * 3, dtype=torch.int32)]),
    bad("MultiLabelSoftMarginLoss", inputs=[integers(3, 2, 4), given([[1, 0, 0, 1]] * 2)]),
    bad("MultiMarginLoss", 1, 1.0, uniform(1, 4), inputs=[normal(3, 4), integers(4, 3)]),
    bad("MultiMarginLoss", 1, 1.0, uniform(3), inputs=[normal(3, 4), integers(4, 3)]),
    bad("MultiMarginLoss", inputs=[normal(3, 4), given([0, 4, 1])]),
    bad("MultiMarginLoss", inputs=[normal(3, 4), given([0, 1])]),
    bad("MultiMarginLoss", inputs=[integers(3, 3, 4), given([0, 1, 2])]),
    bad("MultiLabelMarginLoss", inputs=[normal(3, 4), integers(3, 3, 3)]),
    bad("MultiLabelMarginLoss", inputs=[normal(2), given([0, 2])]),
    bad("MultiLabelMarginLoss", inputs=[normal(2), given([0, -2])]),
    bad("TripletMarginLoss", 0.0, inputs=TRIPLET),
    bad("TripletMarginWithDistanceLoss", margin=-1.0, inputs=TRIPLET),
    bad("TripletMarginWithDistanceLoss", inputs=[normal(3, 2), normal(3, 2), normal(2)]),
    bad("functional.triplet_margin_loss", 0.0, inputs=TRIPLET),
]
