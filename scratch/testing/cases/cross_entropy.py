"""Cases of scratch/ops/loss/cross_entropy.py: cross-entropy and the negative log-likelihood."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from scratch.testing import Case, bad, case, given, integers, normal, probabilities, uniform
from scratch.testing.cases.common import REDUCTIONS, undefined

C = 5
CLASS_WEIGHT = uniform(C, low=0.2, high=2.0)
SMOOTH = {"label_smoothing": 0.1}


def sometimes_ignored(*shape: int):
    """Class numbers, about a third of them the default ignore_index."""

    def draw(generator: Generator) -> Tensor:
        target = integers(C, *shape)(generator)
        return target.masked_fill(torch.rand(shape, generator=generator) < 0.3, -100)

    return draw


# logits or log-probabilities, class numbers
BY_NUMBER = [
    [normal(6, C), sometimes_ignored(6)],
    [normal(C), integers(C)],
    [normal(4, C, 3), sometimes_ignored(4, 3)],
    [normal(2, C, 2, 3), sometimes_ignored(2, 2, 3)],
    [normal(1, C, 1, 2, 1), sometimes_ignored(1, 1, 2, 1)],
    [normal(1, C), integers(C, 1)],
]
NOTHING_COUNTED = [  # the mean is NaN, its gradient zero
    [normal(C), given(-100)],
    [normal(0, C), integers(C, 0)],
    [normal(2, C, 0), integers(C, 2, 0)],
    [normal(3, C), given([-100, -100, -100])],
]
BY_PROBABILITY = [
    [normal(6, C), probabilities(6, C)],
    [normal(C), probabilities(C)],
    [normal(2, C, 3), probabilities(2, C, 3, dim=1)],
    [normal(2, C, 2, 3), normal(2, C, 2, 3)],
]
ONE = [normal(6, C), sometimes_ignored(6)]


def cross_entropy() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        for inputs in BY_NUMBER:
            yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs)
            yield case("CrossEntropyLoss", CLASS_WEIGHT, reduction=reduction, inputs=inputs)
            yield case("NLLLoss", reduction=reduction, inputs=inputs)
            yield case("NLLLoss", CLASS_WEIGHT, reduction=reduction, inputs=inputs)
        for inputs in BY_NUMBER[:4]:
            yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs, **SMOOTH)
            yield case("CrossEntropyLoss", CLASS_WEIGHT, reduction=reduction, inputs=inputs, **SMOOTH)
        nothing = [normal(0, C), normal(0, C)]
        yield undefined("CrossEntropyLoss", reduction=reduction, inputs=nothing)
        yield undefined("CrossEntropyLoss", CLASS_WEIGHT, reduction=reduction, inputs=nothing)
        for inputs in NOTHING_COUNTED:
            for name, options in (("NLLLoss", {}), ("CrossEntropyLoss", {}), ("CrossEntropyLoss", SMOOTH)):
                for weight in (None, CLASS_WEIGHT):
                    yield undefined(name, weight, reduction=reduction, inputs=inputs, **options)
        for inputs in BY_PROBABILITY:
            yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs)
            options = {"reduction": reduction, "label_smoothing": 0.2, "inputs": inputs}
            yield case("CrossEntropyLoss", **options)
            yield case("CrossEntropyLoss", CLASS_WEIGHT, **options)
            weighted = [*inputs, CLASS_WEIGHT]  # the weights' gradient too
            yield case("functional.cross_entropy", reduction=reduction, inputs=weighted)
    for name in ("CrossEntropyLoss", "NLLLoss"):
        for index in (2, 0, -1):
            yield case(name, ignore_index=index, inputs=[normal(6, C), given([2, 0, 4, 2, 1, 0])])
            yield case(name, CLASS_WEIGHT, ignore_index=index, inputs=[normal(3, C), given([2, 0, 4])])
        yield case(name, inputs=[normal(3, C), given([2, 0, 4], dtype=torch.uint8)])
        for size_average in (None, True, False):
            for reduce in (None, True, False):
                yield case(name, None, size_average, -100, reduce, inputs=ONE)
    for smoothing in (0.0, 1.0, 1, -0.5):
        yield case("CrossEntropyLoss", label_smoothing=smoothing, inputs=ONE)
    yield case("functional.cross_entropy", size_average=False, inputs=ONE)
    yield case("functional.nll_loss", reduce=False, inputs=ONE)


EXTREME = given([[1e4, 0.0, 1e30], [-1e4, 1e4, 0.0], [0.0, -math.inf, 1.0], [800.0, 800.0, -800.0]])
UNDEFINED = given([[math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0], [-math.inf, -math.inf, -math.inf]])


def extremes() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        for target in ([0, 1, 2, 0], [2, 0, 1, 2], [-100, 0, 0, 1]):
            inputs = [EXTREME, given(target)]
            yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs).but(finite_differences=False)
        inputs = [EXTREME, given([0, 1, 2, 0])]
        smooth = case("CrossEntropyLoss", reduction=reduction, inputs=inputs, **SMOOTH)
        yield smooth.but(finite_differences=False)
        for target in ([0, 1, 2], [-100, -100, 0], [-100, -100, -100]):
            inputs = [UNDEFINED, given(target)]
            yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs).but(finite_differences=False)
            yield case("NLLLoss", reduction=reduction, inputs=inputs).but(finite_differences=False)
        inputs = [EXTREME, probabilities(4, 3)]
        yield case("CrossEntropyLoss", reduction=reduction, inputs=inputs).but(finite_differences=False)


CASES = [*cross_entropy(), *extremes()]


def refused() -> Iterator[Case]:
    for name in ("CrossEntropyLoss", "NLLLoss"):
        for target in ([1, C, 0], [1, -1, 0]):
            yield bad(name, inputs=[normal(3, C), given(target)])
        yield bad(name, inputs=[normal(3, C), integers(C, 2)])
        yield bad(name, inputs=[normal(3, C), integers(C, 3, 1)])
        yield bad(name, inputs=[normal(3, C, 2), integers(C, 3, 4)])
        yield bad(name, inputs=[normal(3, C, 2, 2), integers(C, 3, 2, 4)])
        yield bad(name, inputs=[normal(C), integers(C, 2)])
        for target in ([2], [[2]], [2, 1]):
            yield bad(name, inputs=[normal(5), given(target)])
        yield bad(name, inputs=[normal(2, 0), given([0, -100])])
        yield bad(name, inputs=[normal(), integers(C)])
        yield bad(name, inputs=[normal(3, C), given([1, 2, 3], dtype=torch.int32)])
        yield bad(name, inputs=[normal(3, C), given([1.0, 2.0, 3.0])])
        yield bad(name, inputs=[integers(3, 3, C), integers(C, 3)])
        yield bad(name, reduction="median", inputs=ONE)
        yield bad(name, uniform(C + 1), inputs=ONE)
        yield bad(name, uniform(1, C), inputs=ONE)
        function = "functional.cross_entropy" if name == "CrossEntropyLoss" else "functional.nll_loss"
        yield bad(function, inputs=[*ONE, CLASS_WEIGHT])  # weights that require a gradient
    yield bad("CrossEntropyLoss", label_smoothing=1.5, inputs=ONE)
    for options in ({"label_smoothing": 1.5}, {"ignore_index": 2}):
        yield bad("CrossEntropyLoss", inputs=[normal(3, C), probabilities(3, C)], **options)
    yield bad("CrossEntropyLoss", uniform(C + 1), inputs=[normal(3, C), probabilities(3, C)])
    yield bad("CrossEntropyLoss", inputs=[normal(3, C), integers(2, 3, C)])
    yield bad("NLLLoss", inputs=[normal(3, C), probabilities(3, C)])


BAD_ARGUMENTS = [*refused()]
