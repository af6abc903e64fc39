"""What cases of several pages share: points for activations and norms, images with ties, means of nothing."""

import math
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing.calls import Case, case, distinct, given, integers

SHAPES = [(), (5,), (3, 4), (2, 0, 3), (2, 3, 2, 2)]
LARGE = given([-1000.0, -300.0, -40.0, -15.0, 15.0, 40.0, 300.0, 1000.0])
SPECIAL = given([math.nan, math.inf, -math.inf, 1e-310, -1e-310, 1.0])
INFINITE = given([math.inf, -math.inf, 1e-310, -1e-310])
KINK = given([0.0, -0.0, 1.0, -1.0])
PIECES = given([-6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0])  # where one of the pieces ends

# for norms: rows far from 0, rows near 0 beside large ones
OFFSET = given([[1e4, 1e4 + 1, 1e4 - 1, 1e4 + 2], [-1e4, -1e4, -1e4, 5 - 1e4], [3.0, 3.0, 3.0, 3.0]])
TINY = given([[1e-9, -2e-9, 3e-9, 0.0], [0.0, 0.0, 0.0, 0.0], [1e150, -1e150, 0.0, 1e150]])

LINE = [distinct(2, 3, 7)]
IMAGE = [distinct(2, 2, 7, 5)]
VOLUME = [distinct(1, 2, 4, 3, 5)]


def ties(generator: Generator) -> Tensor:
    return integers(2, 2, 2, 5, 7)(generator).to(torch.float64)


def infinite(generator: Generator) -> Tensor:
    return torch.full((1, 2, 5, 4), -torch.inf, dtype=torch.float64)


def not_numbers(generator: Generator) -> Tensor:
    x = ties(generator)
    return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.2, torch.nan)


BIAS = (2, 14)  # the version of torch since which its norms have the option
REDUCTIONS = ("mean", "sum", "none")


def NOTHING(_: Generator) -> None:
    """An argument left out."""


def undefined(*args: Any, **kwargs: Any) -> Case:
    """A mean over nothing, which is NaN: its derivatives are a convention that finite differences do not see."""
    return case(*args, **kwargs).but(finite_differences=False, second_order=False)
