"""Cases of scratch/ops/recurrent/lstm.py."""

from scratch.testing import bad, case, normal
from scratch.testing.cases.rnn import cell_cases, layer_cases, refused


def pair(*shapes):
    """The states (h, c)."""
    return lambda generator: tuple(normal(*shape)(generator) for shape in shapes)


def states(*shape: int):
    return pair((*shape, 5), (*shape, 5))


def projected(*shape: int):
    """With h of size 2."""
    return pair((*shape, 2), (*shape, 5))


CASES = [
    *layer_cases("LSTM", states),
    *layer_cases("LSTM", projected, proj_size=2),
    case("LSTM", 3, 5, inputs=[normal(1, 1, 3)]),
    *cell_cases("LSTMCell", states),
]

BAD_ARGUMENTS = [
    *refused("LSTM"),
    *(
        bad("LSTM", 3, 5, inputs=inputs)
        for inputs in (
            [normal(3)],
            [normal(1, 4, 2, 3)],
            [normal(4, 2, 4)],
            [normal(0, 2, 3)],
            [normal(4, 2, 3), pair((2, 5), (2, 5))],
            [normal(4, 2, 3), pair((1, 2, 5), (1, 2, 4))],
            [normal(4, 2, 3), pair((1, 2, 4), (1, 2, 5))],
            [normal(4, 2, 3), pair((1, 2, 5))],
            [normal(4, 2, 3), normal(2, 2, 5)],
            [normal(4, 3), pair((1, 1, 5), (1, 1, 5))],
        )
    ),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 4)]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((2, 5), (2, 4))]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((2, 4), (2, 5))]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((3, 5), (3, 5))]),
]
