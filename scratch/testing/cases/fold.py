"""Cases of scratch/ops/conv/fold.py."""

from scratch.testing import bad, case, normal

IMAGE = [normal(2, 2, 5, 4)]
COLUMNS = [normal(2, 12, 12)]

CASES = [
    case("Unfold", 3, inputs=IMAGE),
    case("Unfold", (2, 3), (2, 1), (1, 0), (1, 2), inputs=IMAGE),
    case("Unfold", 2, stride=2, inputs=[normal(2, 5, 4)]),
    case("Unfold", 2, padding=1, inputs=[normal(0, 2, 3, 3)]),
    case("Fold", (5, 4), 2, inputs=COLUMNS),
    case("Fold", (5, 4), (2, 3), (2, 1), (1, 0), (1, 2), inputs=[normal(2, 6, 5)]),
    case("Fold", 4, 2, 1, 1, 2, inputs=[normal(4, 9)]),
    case("Fold", 3, 2, inputs=[normal(0, 8, 4)]),
    case("functional.unfold", 2, padding=(0, 1), inputs=IMAGE),
    case("functional.fold", (5, 4), 2, inputs=COLUMNS),
]

BAD_ARGUMENTS = [
    *(
        bad("functional.unfold", inputs=[normal(*size)], **options)
        for size, options in (
            ((2, 2, 5, 4), {"kernel_size": 6}),
            ((2, 2, 5, 4), {"kernel_size": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2, "stride": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2, "padding": -1}),
            ((2, 2, 5, 4), {"kernel_size": 2, "dilation": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2.0}),
            ((2, 2, 5, 4), {"kernel_size": (2, 2, 2)}),
            ((2, 0, 5, 4), {"kernel_size": 2}),
            ((1, 2, 2, 5, 4), {"kernel_size": 2}),
        )
    ),
    bad("Fold", (5, 5), 2, inputs=COLUMNS),
    bad("Fold", (5, 4), (2, 5), inputs=COLUMNS),
    bad("Fold", (5, 4), 0, inputs=COLUMNS),
    bad("Fold", (5, 4, 3), 2, inputs=COLUMNS),
    bad("Fold", (5, 4), 2, inputs=[normal(2, 3, 12, 12)]),
]
