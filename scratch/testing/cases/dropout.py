"""Cases of scratch/nn/dropout.py."""

import math

from scratch.testing import bad, case, integers, normal

CASES = [
    *(case("Dropout", p, inputs=[normal(3, 4)]) for p in (0.0, 0.1, 0.5, 0.9, 1.0, 0, 1)),
    *(case("Dropout", inputs=[normal(*shape)]) for shape in ((), (0,), (7, 5, 3))),
    *(case("Dropout", p, inplace=True, inputs=[normal(3, 4)]) for p in (0.0, 0.3, 1.0)),
    case("functional.dropout", inputs=[normal(3, 4)]),
    *(case(name, inputs=[normal(2, 3, 2, 2)]) for name in ("Dropout2d", "Dropout3d", "FeatureAlphaDropout")),
    *(case(name, 0.2, inputs=[normal(2, 4, 2)]) for name in ("Dropout1d", "Dropout2d", "AlphaDropout")),
    *(case("Dropout1d", p, inputs=[normal(4, 2)]) for p in (0.3, 0.0, 1.0)),
    case("Dropout1d", 0.3, inplace=True, inputs=[normal(2, 3, 2)]),
    case("Dropout3d", 0.3, inputs=[normal(2, 4, 1, 2, 2)]),
    case("Dropout3d", 0.3, inputs=[normal(2, 4)]),
    case("FeatureAlphaDropout", 0.7, inputs=[normal(2, 4)]),
    *(case("AlphaDropout", p, inputs=[normal(3, 4)]) for p in (0.0, 1.0)),
    case("functional.alpha_dropout", 0.3, True, True, inputs=[normal(3, 4)]),
    case("functional.feature_alpha_dropout", inputs=[normal(3, 4)]),
    case("functional.dropout", 0.3, False, inputs=[normal(3, 4)]),
    case("functional.dropout", 0.3, True, True, inputs=[normal(3, 4)]),
]

BAD_ARGUMENTS = [
    *(bad("Dropout", p, inputs=[normal(3)]) for p in (-0.1, 1.1, math.nan, "half")),
    bad("Dropout", inputs=[integers(5, 3)]),
    *(bad(name, 1.5, inputs=[normal(2, 3, 4)]) for name in ("Dropout1d", "AlphaDropout", "FeatureAlphaDropout")),
    bad("Dropout1d", inputs=[normal(3)]),
    bad("Dropout2d", inputs=[normal(3)]),
    bad("FeatureAlphaDropout", inputs=[normal(3)]),
    bad("functional.dropout", 2.0, False, inputs=[normal(3)]),
]
