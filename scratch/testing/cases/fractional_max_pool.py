"""Cases of scratch/ops/pool/fractional_max_pool.py."""

from scratch.testing import bad, case, distinct, normal, uniform
from scratch.testing.cases.common import IMAGE, VOLUME, infinite, not_numbers, ties

CASES = [
    case("FractionalMaxPool2d", 2, 3, inputs=IMAGE),
    case("FractionalMaxPool2d", (3, 2), (5, 4), return_indices=True, inputs=IMAGE),
    case("FractionalMaxPool2d", 2, output_ratio=(0.5, 0.7), inputs=[distinct(2, 7, 5)]),
    case("FractionalMaxPool2d", 2, 3, None, True, uniform(2, 2, 2), inputs=[ties]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 1, None, True, uniform(1, 2, 2), inputs=[infinite]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 3, return_indices=True, inputs=[not_numbers]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 2, inputs=[normal(0, 2, 3, 3)]),
    case("FractionalMaxPool3d", 2, (2, 1, 3), return_indices=True, inputs=[distinct(2, 2, 5, 3, 6)]),
    case("FractionalMaxPool3d", (1, 2, 1), output_ratio=0.5, inputs=[distinct(2, 4, 5, 4)]),
    case("FractionalMaxPool3d", 2, 2, None, False, uniform(1, 2, 3), inputs=[distinct(1, 2, 4, 4, 5)]),
    case("FractionalMaxPool2d", 2, (0, 1), inputs=IMAGE),
    case("FractionalMaxPool3d", 2, (1, 0, 1), return_indices=True, inputs=VOLUME),
    case("functional.fractional_max_pool2d", 2, output_ratio=(0.5, 0.5), return_indices=True, inputs=IMAGE),
    case("functional.fractional_max_pool3d", 1, 2, inputs=VOLUME),
]

BAD_ARGUMENTS = [
    bad("functional.fractional_max_pool2d", 2, output_ratio=(0.5, 0.5, 0.5), inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 3, 0.5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, output_ratio=1.5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 0, 2, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 2, inputs=[normal(2, 0, 5, 5)]),
    bad("FractionalMaxPool2d", 2, 2, _random_samples=uniform(1, 2, 2), inputs=IMAGE),
    bad("FractionalMaxPool3d", 0, 2, inputs=VOLUME),
    bad("FractionalMaxPool3d", 2, 3, inputs=VOLUME),
    bad("functional.fractional_max_pool2d", 2, inputs=IMAGE),
    bad("functional.fractional_max_pool2d", 2, 2, _random_samples=uniform(2, 2, 3), inputs=IMAGE),
]
