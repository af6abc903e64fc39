"""Cases of CTCLoss. Its gradient is PyTorch's convention, no derivative: finite differences are taken through a
log-softmax, in tests/scratch/ops/loss/test_ctc.py."""

from collections.abc import Iterator
from typing import Any

import torch

from scratch.testing import Case, bad, case, given, normal
from scratch.testing.calls import source


@source
def log_probabilities(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).log_softmax(-1)


TEXT = given([[1, 2, 2, 1], [3, 0, 0, 0], [2, 1, 2, 0]])
JOINED = given([1, 2, 2, 1, 3, 2, 1, 2])


def ctc(*args: Any, **kwargs: Any) -> Case:
    return case(*args, **kwargs).but(finite_differences=False, second_order=False)


def texts() -> Iterator[Case]:
    y = log_probabilities(7, 3, 4)
    lengths = [given([7, 5, 6]), given([4, 1, 3])]
    for reduction in ("mean", "sum", "none"):
        yield ctc("CTCLoss", reduction=reduction, inputs=[y, TEXT, *lengths])
    yield ctc("CTCLoss", inputs=[y, JOINED, *lengths])
    yield ctc("CTCLoss", inputs=[y, JOINED, lambda _: (7, 5, 6), lambda _: (4, 1, 3)])
    yield ctc("CTCLoss", blank=3, inputs=[y, given([[1, 2], [0, 0], [2, 1]]), given([7, 7, 2]), given([2, 2, 2])])
    yield ctc("CTCLoss", inputs=[log_probabilities(5, 4), given([1, 1]), given(5), given(2)])
    yield ctc("CTCLoss", inputs=[y, TEXT, given([7, 0, 6]), given([0, 0, 3])])  # no labels, no steps
    impossible = [y, TEXT, given([4, 0, 6]), given([4, 1, 3])]
    for options in ({}, {"zero_infinity": True}):
        for reduction in ("mean", "none"):
            yield ctc("CTCLoss", reduction=reduction, inputs=impossible, **options)
    # not normalised, and so far from it that naive products overflow
    yield ctc("CTCLoss", inputs=[normal(5, 1, 3), given([[1, 2]]), given([5]), given([2])])
    far = given([[[-500.0, 0.0, -800.0]], [[-1e4, -300.0, 0.0]], [[0.0, -700.0, -900.0]]])
    yield ctc("CTCLoss", inputs=[far, given([[1, 2]]), given([3]), given([2])])


CASES = [*texts()]

SOME = [log_probabilities(5, 2, 3), given([[1, 2], [2, 1]])]
BAD_ARGUMENTS = [
    bad("CTCLoss", inputs=[*SOME, given([5.0, 5.0]), given([2, 2])]),
    bad("CTCLoss", inputs=[*SOME, given([5, 5]), given([True, True])]),
    bad("CTCLoss", inputs=[normal(0, 2, 3), given([[1, 2], [1, 2]]), given([0, 0]), given([2, 2])]),
    bad("CTCLoss", inputs=[*SOME, given([6, 5]), given([2, 2])]),
    bad("CTCLoss", inputs=[*SOME, given([5, 5]), given([3, 2])]),
    bad("CTCLoss", inputs=[*SOME, given([5]), given([2, 2])]),
    bad("CTCLoss", inputs=[*SOME, given([5, 5]), given([2, -1])]),
    bad("CTCLoss", 3, inputs=[*SOME, given([5, 5]), given([2, 2])]),
    bad("CTCLoss", 0, "median", inputs=[*SOME, given([5, 5]), given([2, 2])]),
    bad("CTCLoss", inputs=[normal(5), given([1, 2]), given([5]), given([2])]),
]
