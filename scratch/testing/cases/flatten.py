"""Cases of scratch/nn/flatten.py, which is views alone and has no page."""

from scratch.testing import bad, case, normal

CHANNELS = [normal(2, 8, 2, 3)]

CASES = [
    case("Flatten", inputs=[normal(2, 3, 4)]),
    case("Flatten", 0, inputs=[normal(2, 3, 4)]),
    case("Flatten", 0, 1, inputs=[normal(2, 3, 4)]),
    case("Flatten", -2, inputs=[lambda generator: normal(2, 7, 6, 4)(generator).permute(0, 3, 1, 2)]),
    case("Flatten", inputs=[normal(0, 4, 7, 6)]),
    case("Flatten", 0, inputs=[normal()]),
    case("Unflatten", 1, (2, -1), inputs=CHANNELS),
    case("Unflatten", -1, [3, 1], inputs=CHANNELS),
]

BAD_ARGUMENTS = [
    bad("Flatten", 2, 1, inputs=[normal(2, 3, 4)]),
    bad("Flatten", 3, inputs=[normal(2, 3, 4)]),
    bad("Unflatten", 1, (3, 2), inputs=CHANNELS),
    bad("Unflatten", 1, 2, inputs=CHANNELS),
    bad("Unflatten", 1, (2.0, 4), inputs=CHANNELS),
    bad("Unflatten", 4, (2, 4), inputs=CHANNELS),
    bad("Unflatten", 1, (), inputs=CHANNELS),
]
