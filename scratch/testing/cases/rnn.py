"""Cases of scratch/nn/rnn.py."""

from itertools import product

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from scratch.testing import bad, case, normal, packed

LENGTHS = (2, 4, 1, 4)  # in no order, one of one step, the longest twice


def sorted_packed(generator):
    """Sequences of lengths 4, 3, 1 that say nothing about their order."""
    padded = torch.randn(4, 3, 3, generator=generator, dtype=torch.float64)
    return pack_padded_sequence(padded, torch.tensor([4, 3, 1]))


def pair(*shapes):
    """The states (h, c) of an LSTM."""
    return lambda generator: tuple(normal(*shape)(generator) for shape in shapes)


STACKS = [
    {"num_layers": layers, "bidirectional": bidirectional, "bias": bias}
    for layers, bidirectional, bias in product((1, 2), (False, True), (True, False))
]


def layer_cases(name, state, **options):
    """The layer (3, 5) over all ways to give it sequences; ``state(L·D, N)`` makes initial states."""
    both = {"num_layers": 2, "bidirectional": True, **options}
    yield from (case(name, 3, 5, inputs=[normal(4, 2, 3)], **stack, **options) for stack in STACKS)
    yield from (
        case(name, 3, 5, inputs=inputs, **both)
        for inputs in (
            [normal(4, 2, 3), state(4, 2)],
            [normal(4, 3)],  # one sequence, unbatched
            [normal(4, 3), state(4)],
            [normal(2, 1, 3)],
            [normal(3, 0, 3)],
            [packed(LENGTHS, 3)],
            [packed(LENGTHS, 3), state(4, 4)],
            [sorted_packed, state(4, 3)],
        )
    )
    yield case(name, 3, 5, inputs=[packed(LENGTHS, 3), state(1, 4)], **options)
    yield case(name, 3, 5, inputs=[normal(2, 4, 3), state(4, 2)], batch_first=True, **both)
    yield case(name, 3, 5, inputs=[normal(4, 3), state(4)], batch_first=True, **both)
    yield case(name, 3, 5, inputs=[normal(2, 2, 3)], dropout=1.0, num_layers=2, **options)
    yield case(name, 1, 3, inputs=[normal(3, 1, 1)], **options)


def one(size):
    return lambda *shape: normal(*shape, size)


def two(size):
    return lambda *shape: pair((*shape, size), (*shape, 5))


CASES = [
    *layer_cases("RNN", one(5)),
    *layer_cases("RNN", one(5), nonlinearity="relu"),
    *layer_cases("LSTM", two(5)),
    *layer_cases("LSTM", two(2), proj_size=2),
    *layer_cases("GRU", one(5)),
    *(case(name, 3, 5, inputs=[normal(1, 1, 3)]) for name in ("RNN", "LSTM", "GRU")),
    case("RNN", 3, 5, 1, "relu", False, inputs=[normal(4, 2, 3)]),
    *(
        case(name, 3, 5, inputs=inputs, bias=bias, **options)
        for name, options, state in (
            ("RNNCell", {}, one(5)),
            ("RNNCell", {"nonlinearity": "relu"}, one(5)),
            ("LSTMCell", {}, two(5)),
            ("GRUCell", {}, one(5)),
        )
        for bias in (True, False)
        for inputs in (
            [normal(4, 3)],
            [normal(4, 3), state(4)],
            [normal(3)],
            [normal(3), state()],
            [normal(0, 3), state(0)],
        )
    ),
]

X = [normal(4, 2, 3)]

BAD_ARGUMENTS = [
    *(
        bad(name, 3, 5, inputs=X, **options)
        for name in ("RNN", "LSTM", "GRU")
        for options in (
            {"dropout": 1.5},
            {"dropout": True},
            {"num_layers": 0},
            {"bias": 1},
            {"batch_first": 1},
            {"proj_size": -1},
            {"proj_size": 5},
            {"another": 1},
        )
    ),
    *(bad(name, 3.0, 5, inputs=X) for name in ("RNN", "LSTM", "GRU")),
    *(bad(name, 0, 5, inputs=X) for name in ("RNN", "LSTM", "GRU")),
    *(bad(name, 3, 0, inputs=X) for name in ("RNN", "LSTM", "GRU")),
    bad("RNN", 3, 5, nonlinearity="gelu", inputs=X),
    *(
        bad(name, 3, 5, inputs=inputs)
        for name in ("RNN", "GRU")
        for inputs in (
            [normal(3)],
            [normal(1, 4, 2, 3)],
            [normal(4, 2, 4)],
            [normal(0, 2, 3)],
            [packed(LENGTHS, 4)],
            [normal(4, 2, 3), normal(2, 5)],
            [normal(4, 2, 3), normal(1, 3, 5)],
            [normal(4, 2, 3), normal(1, 2, 4)],
            [normal(4, 2, 3), normal(2, 2, 5)],
            [normal(4, 3), normal(1, 1, 5)],
            [sorted_packed, normal(1, 4, 5)],
        )
    ),
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
    *(
        bad(name, 3, 5, inputs=inputs)
        for name in ("RNNCell", "GRUCell")
        for inputs in (
            [normal(1, 2, 3)],
            [normal(2, 4)],
            [normal(2, 3), normal(1, 2, 5)],
            [normal(2, 3), normal(3, 5)],
            [normal(2, 3), normal(2, 4)],
            [normal(2, 3), normal(5)],
            [normal(3), normal(1, 5)],
        )
    ),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 4)]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((2, 5), (2, 4))]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((2, 4), (2, 5))]),
    bad("LSTMCell", 3, 5, inputs=[normal(2, 3), pair((3, 5), (3, 5))]),
    bad("RNNCell", 3, 5, nonlinearity="gelu", inputs=[normal(2, 3)]),
    bad("GRUCell", -3, 5, inputs=[normal(2, 3)]),
]
