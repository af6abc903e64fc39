"""What RNN, LSTM and GRU share: rows in the order of time, the state carried along them, layers on layers.

A batch of sequences is one matrix, its rows sorted by time: first the rows of step 0, one for each sequence,
then those of step 1, and so on. ``sizes[t]`` tells how many sequences have a step t; with the longest first,
they are the first sizes[t] of the batch. That is PyTorch's PackedSequence, and a padded batch of N sequences is
the case sizes = (N, N, …).

    P = Σ sizes   rows in all          N = sizes[0]   sequences          T = len(sizes)   steps

The state is a matrix of N rows, and step t replaces its first sizes[t]. Forward in time the sequences that
have ended keep their last state; backward in time (``reverse``) the shorter ones wait in their initial state
until their last step comes. Either way what is left is every sequence's own last state, without a loop over
sequences.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate

import torch
from torch import Tensor

from scratch.ops.core.compiler import Kernel
from scratch.ops.core.dtype import NARROW, SHORT, autocast_on, without_autocast
from scratch.ops.core.forms import FORM
from scratch.ops.dropout import dropout

Sizes = tuple[int, ...]
State = tuple[Tensor, ...]  # (h,) or, in an LSTM, (h, c)
Weights = Sequence[Tensor | None]  # weight_ih, weight_hh, bias_ih, bias_hh and, in an LSTM, weight_hr
Layer = Callable[..., tuple[Tensor, State]]  # layer(x, state, weights, sizes, reverse)


def order(sizes: Sizes, reverse: bool) -> range:
    """The steps as the layer takes them; the adjoint takes them in ``reversed(order(…))``."""
    return range(len(sizes))[:: -1 if reverse else 1]


def first(state: Tensor, size: int, batch: int) -> Tensor:
    """The rows of a state (batch, H) that a step of this size acts on."""
    return state if size == batch else state[:size]


def advance(state: Tensor, rows: Tensor, size: int, batch: int) -> Tensor:
    """The state (batch, H) after a step: its first rows are replaced."""
    return rows if size == batch else torch.cat((rows, state[size:]))


def previous(steps: Sequence[Tensor], initial: Tensor, sizes: Sizes, reverse: bool) -> list[Tensor]:
    """For each step the state it started from, out of the states that all steps ended in."""
    state, started = initial, [initial] * len(sizes)
    for t in order(sizes, reverse):
        started[t] = first(state, sizes[t], sizes[0])
        state = advance(state, steps[t], sizes[t], sizes[0])
    return started


def total(b: Tensor | None, d: Tensor | None) -> Tensor | None:
    """The sum of a layer's two biases, where it has them."""
    return None if b is None or d is None else b + d


def blocks(matrix: Tensor, count: int, sizes: Sizes) -> list[tuple[Tensor, ...]]:
    """For each step its rows, cut into ``count`` blocks of equal width, such as gates."""
    return list(zip(*(block.split(sizes) for block in matrix.chunk(count, 1)), strict=True))


def ran_compiled(step: Kernel, *arguments: Tensor | None) -> bool:
    """Whether this is the compiled form, and a step fits it, and so has run."""
    return FORM.get() == "compiled" and step(*arguments) is not None


CHUNK = 2**18  # numbers that an adjoint finds before it makes products of them: 1 MiB


def chunks(sizes: Sizes, reverse: bool, columns: int) -> list[tuple[range, slice]]:
    """The steps in the order of the adjoint, in parts whose rows fit in a cache; and those rows."""
    ends = [0, *accumulate(sizes)]
    T, steps = len(sizes), max(1, CHUNK // max(1, sizes[0] * columns))
    parts = [range(first, min(first + steps, T)) for first in range(0, T, steps)]
    found = [(part[:: 1 if reverse else -1], slice(ends[part.start], ends[part.stop])) for part in parts]
    return found if reverse else found[::-1]


class Rows:
    """Memory for what the steps of a part of an adjoint find: ``matrix`` (rows, C), ``steps``, the rows of each step,
    and ``slots``, those in blocks of columns."""

    def __init__(self, columns: int, count: int, sizes: Sizes, like: Tensor) -> None:
        self.matrix = like.new_empty(sum(sizes), columns)
        self.steps, self.slots = self.matrix.split(sizes), blocks(self.matrix, count, sizes)


def in_full_precision(layer: Layer) -> Layer:
    """Half-precision numbers come in and go out, as under autocast; the recurrence between them runs in
    float32, where the rounding errors of many steps do not add up to something one sees."""

    @wraps(layer)
    def run(x, state, weights, sizes, *options, **named):
        autocast = autocast_on(x)
        if x.dtype not in (SHORT if autocast else NARROW):
            return layer(x, state, weights, sizes, *options, **named)
        dtype = torch.get_autocast_dtype(x.device.type) if autocast else x.dtype
        with without_autocast(x):
            weights = [w if w is None else w.float() for w in weights]
            y, state = layer(x.float(), tuple(s.float() for s in state), weights, sizes, *options, **named)
        return y.to(dtype), tuple(s.to(dtype) for s in state)

    return run


def stack(
    layer: Layer,
    x: Tensor,
    states: State,
    weights: Sequence[Weights],
    sizes: Sizes,
    bidirectional: bool,
    probability: float,
) -> tuple[Tensor, State]:
    """Each layer reads the rows of the one below, through dropout; two directions lie side by side.

    Shapes:     x (P, I)   y (P, D·H)   each state (L·D, N, H), for L layers of D directions
    """
    directions = (False, True) if bidirectional else (False,)
    runs = zip(zip(*(state.unbind(0) for state in states), strict=True), weights, strict=True)
    ended, y = [], x
    for depth in range(len(weights) // len(directions)):
        if depth and probability:
            x = dropout(x, probability)
        outputs = []
        for reverse in directions:
            y, state = layer(x, *next(runs), sizes, reverse)
            outputs.append(y)
            ended.append(state)
        x = torch.cat(outputs, 1) if bidirectional else y
    if x is y and y.requires_grad:
        x = y.clone()  # y is kept for the backward, and users write into what they get
    return x, tuple(torch.stack(state) for state in zip(*ended, strict=True))
