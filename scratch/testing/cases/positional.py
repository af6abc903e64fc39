"""Cases of scratch/nn/positional.py. The reference is zoo.layers, since torch.nn has no positions."""

from scratch.testing import bad, case, normal

NAMES = ("SinusoidalPositions", "LearnedPositions")

CASES = [
    each.but(reference="zoo.layers")
    for name in NAMES
    for each in (
        *(case(name, 4, 7, inputs=[normal(*shape)]) for shape in ((2, 3, 4), (3, 4), (0, 3, 4), (2, 0, 4), (1, 7, 4))),
        case(name, 5, 3, inputs=[normal(2, 3, 5)]),
        case(name, 1, 1, inputs=[normal(1, 1, 1)]),
        case(name, 4, 7, False, inputs=[normal(3, 2, 4)]),
        case(name, 4, 7, False, inputs=[normal(3, 4)]),
        case(name, 4, 7, inputs=[normal(2, 3, 4)]).but(call={"offset": 4}),
        case(name, 2, inputs=[normal(1, 2, 2)]),
        case(name, 64, 40, inputs=[normal(1, 2, 64)]),
    )
]

BAD_ARGUMENTS = [
    each.but(reference="zoo.layers")
    for name in NAMES
    for each in (
        bad(name, 4, 2, inputs=[normal(2, 3, 4)]),
        bad(name, 4, 7, inputs=[normal(2, 3, 4)]).but(call={"offset": 5}),
        bad(name, 4, 7, inputs=[normal(2, 3, 4)]).but(call={"offset": -1}),
        bad(name, 4, 7, inputs=[normal(2, 3, 5)]),
    )
]
