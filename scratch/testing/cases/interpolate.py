"""Cases of scratch/ops/resample/interpolate.py, of Upsample and the layers that name its modes."""

from scratch.testing import bad, case, integers, normal

LINE = [normal(2, 3, 5)]
IMAGE = [normal(2, 2, 4, 5)]
VOLUME = [normal(1, 2, 2, 3, 2)]
LAST = [lambda generator: normal(2, 4, 3, 5)(generator).permute(0, 3, 1, 2)]  # channels_last

CASES = [
    case("Upsample", scale_factor=2, inputs=LINE),
    case("Upsample", 3, inputs=IMAGE),
    case("Upsample", (3, 4, 1), inputs=VOLUME),
    case("Upsample", None, (1.5, 0.7), inputs=IMAGE),
    case("Upsample", None, 2.3, "nearest-exact", inputs=IMAGE),
    case("Upsample", 7, mode="nearest-exact", inputs=LINE),
    case("Upsample", 3, mode="nearest-exact", inputs=VOLUME),
    case("Upsample", 9, mode="linear", inputs=LINE),
    case("Upsample", None, 1.3, "linear", True, inputs=LINE),
    case("Upsample", None, 1.7, "bilinear", inputs=IMAGE),
    case("Upsample", None, 1.7, "bilinear", False, True, inputs=IMAGE),
    case("Upsample", (1, 5), mode="bilinear", align_corners=True, inputs=IMAGE),
    case("Upsample", scale_factor=1.1, mode="bilinear", inputs=[normal(0, 2, 4, 3)]),  # as large as it was
    case("Upsample", scale_factor=2, mode="bilinear", inputs=LAST),
    case("Upsample", (7, 3), mode="bicubic", inputs=IMAGE),
    case("Upsample", None, 1.3, "bicubic", True, inputs=IMAGE),
    case("Upsample", (3, 4, 2), mode="trilinear", inputs=VOLUME),
    case("Upsample", scale_factor=2, mode="trilinear", align_corners=True, inputs=VOLUME),
    case("Upsample", 3, mode="area", inputs=LINE),
    case("Upsample", None, (0.8, 1.5), "area", inputs=IMAGE),
    case("UpsamplingNearest2d", scale_factor=2, inputs=IMAGE),
    case("UpsamplingNearest2d", (3, 4), inputs=IMAGE),
    case("UpsamplingBilinear2d", scale_factor=(2, 1.5), inputs=IMAGE),
    case("UpsamplingBilinear2d", 1, inputs=IMAGE),
    case("functional.interpolate", 2, inputs=[normal(1, 1, 4)]),
    *(
        case("functional.interpolate", size, factor, mode, corners, None, True, inputs=IMAGE)
        for mode, size, factor, corners in (
            ("bilinear", (2, 7), None, None),
            ("bilinear", None, 0.6, True),
            ("bicubic", (3, 2), None, None),
            ("bicubic", None, (0.4, 1.6), False),
        )
    ),
    case("functional.interpolate", (2, 8), None, "lanczos", None, None, True, inputs=IMAGE).but(since=(2, 14)),
    case("functional.interpolate", 3, inputs=[lambda generator: integers(9, 1, 2, 4, 4)(generator).byte()]),
]

BAD_ARGUMENTS = [
    bad("functional.interpolate", 3, mode="lanczos", inputs=IMAGE).but(since=(2, 14)),
    *(
        bad("functional.interpolate", inputs=inputs, **options)
        for inputs, options in (
            (IMAGE, {}),
            (IMAGE, {"size": 3, "scale_factor": 2.0}),
            (IMAGE, {"size": (3,)}),
            (IMAGE, {"scale_factor": (2.0, 2.0, 2.0)}),
            (IMAGE, {"size": 2.5}),
            (IMAGE, {"size": (2.0, 2.0)}),
            (IMAGE, {"size": 0}),
            (IMAGE, {"scale_factor": 0.1}),
            (IMAGE, {"scale_factor": -1.0, "mode": "bilinear"}),
            (IMAGE, {"scale_factor": 1e20, "mode": "bilinear"}),
            (IMAGE, {"size": 3, "align_corners": True}),
            (IMAGE, {"size": 3, "recompute_scale_factor": True}),
            (IMAGE, {"size": 3, "antialias": True}),
            (IMAGE, {"size": 3, "mode": "linear"}),
            (IMAGE, {"size": 3, "mode": "cubic"}),
            (LINE, {"size": 3, "mode": "bicubic"}),
            (LINE, {"size": 3, "mode": "bilinear", "antialias": True}),
            ([normal(4, 5)], {"size": 3}),
            ([normal(2, 0, 4, 5)], {"size": 3}),
            ([normal(2, 2, 0, 5)], {"size": 3, "mode": "bicubic"}),
            ([integers(5, 1, 2, 4, 4)], {"size": 3, "mode": "bilinear"}),
        )
    ),
]
