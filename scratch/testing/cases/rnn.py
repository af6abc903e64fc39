"""Cases of scratch/ops/recurrent/rnn.py, and what those of lstm.py and gru.py share with them."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from scratch.testing import Case, bad, case, normal, packed

LENGTHS = (2, 4, 1, 4)  # in no order, one of one step, the longest twice


def sorted_packed(generator):
    """Sequences of lengths 4, 3, 1 that say nothing about their order."""
    padded = torch.randn(4, 3, 3, generator=generator, dtype=torch.float64)
    return pack_padded_sequence(padded, torch.tensor([4, 3, 1]))


STACKS = [
    {"num_layers": layers, "bidirectional": bidirectional, "bias": bias}
    for layers, bidirectional, bias in product((1, 2), (False, True), (True, False))
]


def layer_cases(name: str, state: Callable[..., Any], **options: Any) -> Iterator[Case]:
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


def cell_cases(name: str, state: Callable[..., Any], **options: Any) -> Iterator[Case]:
    """The cell (3, 5), with and without a bias, a batch and a state."""
    for bias in (True, False):
        for inputs in (
            [normal(4, 3)],
            [normal(4, 3), state(4)],
            [normal(3)],
            [normal(3), state()],
            [normal(0, 3), state(0)],
        ):
            yield case(name, 3, 5, inputs=inputs, bias=bias, **options)


def refused(name: str) -> Iterator[Case]:
    """Options and sizes that every layer refuses."""
    inputs = [normal(4, 2, 3)]
    for options in (
        {"dropout": 1.5},
        {"dropout": True},
        {"num_layers": 0},
        {"bias": 1},
        {"batch_first": 1},
        {"proj_size": -1},
        {"proj_size": 5},
        {"another": 1},
    ):
        yield bad(name, 3, 5, inputs=inputs, **options)
    for sizes in ((3.0, 5), (0, 5), (3, 0)):
        yield bad(name, *sizes, inputs=inputs)


def refused_states(name: str) -> Iterator[Case]:
    """Inputs and states of wrong sizes, for a layer with one state."""
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
    ):
        yield bad(name, 3, 5, inputs=inputs)


def refused_by_cell(name: str) -> Iterator[Case]:
    """Inputs and states of wrong sizes, for a cell with one state."""
    for inputs in (
        [normal(1, 2, 3)],
        [normal(2, 4)],
        [normal(2, 3), normal(1, 2, 5)],
        [normal(2, 3), normal(3, 5)],
        [normal(2, 3), normal(2, 4)],
        [normal(2, 3), normal(5)],
        [normal(3), normal(1, 5)],
    ):
        yield bad(name, 3, 5, inputs=inputs)


def hidden(*shape: int):
    """A state h."""
    return normal(*shape, 5)


CASES = [
    *layer_cases("RNN", hidden),
    *layer_cases("RNN", hidden, nonlinearity="relu"),
    case("RNN", 3, 5, inputs=[normal(1, 1, 3)]),
    case("RNN", 3, 5, 1, "relu", False, inputs=[normal(4, 2, 3)]),
    *cell_cases("RNNCell", hidden),
    *cell_cases("RNNCell", hidden, nonlinearity="relu"),
]

BAD_ARGUMENTS = [
    *refused("RNN"),
    bad("RNN", 3, 5, nonlinearity="gelu", inputs=[normal(4, 2, 3)]),
    *refused_states("RNN"),
    *refused_by_cell("RNNCell"),
    bad("RNNCell", 3, 5, nonlinearity="gelu", inputs=[normal(2, 3)]),
]
