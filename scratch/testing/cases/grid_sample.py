"""Cases of scratch/ops/resample/grid_sample.py."""

from scratch.testing import bad, case, given, integers, normal, uniform

IMAGE, GRID = normal(2, 2, 4, 3), uniform(2, 2, 3, 2, low=-1.4, high=1.4)
VOLUME, PLACES = normal(1, 2, 2, 3, 4), uniform(1, 2, 1, 3, 3, low=-1.4, high=1.4)
CORNERS = given([[[[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [-3.0, 0.5], [0.2, 9.0]]]])

CASES = [
    *(
        case("functional.grid_sample", mode, padding, align, inputs=[IMAGE, GRID])
        for mode, padding, align in (
            ("bilinear", "zeros", False),
            ("bilinear", "border", True),
            ("bilinear", "reflection", False),
            ("bilinear", "reflection", True),
            ("nearest", "zeros", True),
            ("nearest", "border", False),
            ("nearest", "reflection", False),
            ("bicubic", "zeros", False),
            ("bicubic", "border", True),
            ("bicubic", "reflection", False),
        )
    ),
    case("functional.grid_sample", inputs=[VOLUME, PLACES]),
    case("functional.grid_sample", "bilinear", "reflection", True, inputs=[VOLUME, PLACES]),
    case("functional.grid_sample", "nearest", "border", False, inputs=[VOLUME, PLACES]),
    case("functional.grid_sample", "bilinear", "zeros", False, inputs=[normal(0, 2, 3, 3), uniform(0, 1, 2, 2)]),
    *(
        case("functional.grid_sample", mode, padding, True, inputs=[normal(1, 2, 3, 3), CORNERS]).but(
            finite_differences=False
        )
        for mode, padding in (("bilinear", "zeros"), ("bilinear", "border"), ("bicubic", "reflection"))
    ),
    case("functional.grid_sample", "bilinear", "reflection", True, inputs=[normal(2, 2, 1, 3), GRID]),
    case("functional.affine_grid", (2, 3, 4, 5), inputs=[normal(2, 2, 3)]),
    case("functional.affine_grid", [2, 1, 1, 3], True, inputs=[normal(2, 2, 3)]),
    case("functional.affine_grid", (1, 1, 2, 1, 3), False, inputs=[normal(1, 3, 4)]),
]

BAD_ARGUMENTS = [
    bad("functional.grid_sample", "cubic", inputs=[IMAGE, GRID]),
    bad("functional.grid_sample", padding_mode="circular", inputs=[IMAGE, GRID]),
    bad("functional.grid_sample", inputs=[IMAGE, uniform(1, 2, 3, 2)]),
    bad("functional.grid_sample", inputs=[IMAGE, uniform(2, 2, 3, 3)]),
    bad("functional.grid_sample", inputs=[IMAGE, uniform(2, 2, 2)]),
    bad("functional.grid_sample", inputs=[normal(2, 2, 0, 3), GRID]),
    bad("functional.grid_sample", "bicubic", inputs=[VOLUME, PLACES]),
    bad("functional.grid_sample", inputs=[integers(5, 2, 2, 4, 3), integers(1, 2, 2, 3, 2)]),
    bad("functional.affine_grid", (2, 3, 4), inputs=[normal(2, 2, 3)]),
    bad("functional.affine_grid", (2, 1, 2, 3, 4), inputs=[normal(2, 2, 3)]),
    bad("functional.affine_grid", (3, 3, 4, 5), inputs=[normal(2, 2, 3)]),
    bad("functional.affine_grid", (2, 3, 0, 5), inputs=[normal(2, 2, 3)]),
    bad("functional.affine_grid", (2, 3, 4, 5), inputs=[integers(5, 2, 2, 3)]),
]
