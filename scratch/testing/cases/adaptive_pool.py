"""Cases of scratch/ops/pool/adaptive_pool.py."""

from scratch.testing import bad, case, distinct, integers, normal
from scratch.testing.cases.common import IMAGE, LINE, VOLUME, infinite, not_numbers, ties

CASES = [
    case("AdaptiveAvgPool1d", 3, inputs=LINE),
    case("AdaptiveAvgPool1d", (9,), inputs=[normal(3, 7)]),
    case("AdaptiveAvgPool2d", 1, inputs=IMAGE),
    case("AdaptiveAvgPool2d", (3, None), inputs=IMAGE),
    case("AdaptiveAvgPool2d", (7, 8), inputs=[normal(2, 7, 5)]),
    case("AdaptiveAvgPool2d", 2, inputs=[normal(0, 2, 3, 3)]),
    case("AdaptiveAvgPool2d", 2, inputs=[lambda generator: normal(2, 5, 3, 4)(generator).permute(0, 3, 1, 2)]),
    case("AdaptiveAvgPool3d", (3, 2, 4), inputs=VOLUME),
    case("AdaptiveAvgPool3d", 1, inputs=[normal(2, 3, 2, 2)]),
    case("AdaptiveMaxPool1d", 3, inputs=LINE),
    case("AdaptiveMaxPool1d", 5, True, inputs=[distinct(3, 7)]),
    case("AdaptiveMaxPool2d", (3, None), True, inputs=IMAGE),
    case("AdaptiveMaxPool2d", (1, 6), inputs=IMAGE),
    case("AdaptiveMaxPool2d", 3, inputs=[ties]).but(finite_differences=False),
    *(
        case("AdaptiveMaxPool2d", 3, True, inputs=[make]).but(finite_differences=False)
        for make in (ties, infinite, not_numbers)
    ),
    case("AdaptiveMaxPool2d", 2, inputs=[normal(0, 2, 3, 3)]),
    case("AdaptiveMaxPool3d", (3, 2, 4), True, inputs=VOLUME),
    case("AdaptiveMaxPool3d", 2, inputs=[distinct(2, 3, 2, 2)]),
    case("functional.adaptive_avg_pool1d", 4, inputs=LINE),
    case("functional.adaptive_avg_pool2d", (None, 2), inputs=IMAGE),
    case("functional.adaptive_avg_pool3d", (2, 2, None), inputs=VOLUME),
    case("functional.adaptive_max_pool1d", 4, inputs=LINE),
    case("functional.adaptive_max_pool2d", 3, return_indices=True, inputs=IMAGE),
    case("functional.adaptive_max_pool3d", (2, 2, None), True, inputs=VOLUME),
]

BAD_ARGUMENTS = [
    *(
        bad(f"{layer}{dims}d", output, inputs=inputs)
        for layer in ("AdaptiveAvgPool", "AdaptiveMaxPool")
        for dims, output, inputs in (
            (1, None, LINE),
            (1, (2, 3), LINE),
            (1, -1, LINE),
            (2, 2.0, IMAGE),
            (2, (2, 2, 2), IMAGE),
            (2, 2, [normal(7, 5)]),
            (2, 2, [normal(2, 2, 0, 5)]),
            (3, (2, None), VOLUME),
        )
    ),
    bad("AdaptiveMaxPool2d", 2, inputs=[normal(2, 0, 3, 5)]),
    *(bad(f"Adaptive{mean}Pool2d", (2, 2), inputs=[normal(3, 3)]) for mean in ("Avg", "Max")),
    bad("AdaptiveAvgPool3d", (2, 2, 2), inputs=[normal(3, 3)]),
    bad("AdaptiveAvgPool3d", 2, inputs=[normal(2, 0, 3, 3, 3)]),
    bad("functional.adaptive_avg_pool2d", 2, inputs=[integers(3, 2, 3, 3)]),
    bad("functional.adaptive_max_pool2d", 2, inputs=[integers(3, 2, 3, 3)]),
]
