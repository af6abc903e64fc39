"""Cases of scratch.optim: every option of every optimizer that torch.optim has."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing import (
    OptimizerCase,
    huge_gradients,
    missing_gradients,
    normal,
    optimizer_case,
    quadratic,
    sparse_gradients,
)
from scratch.testing.calls import TORCH


def complex_normal(*shape: int) -> Callable[[Generator], Tensor]:
    return lambda generator: torch.randn(shape, generator=generator, dtype=torch.complex128)


def grid(name: str, *settings: dict[str, Any], **options: Sequence[Any]) -> Iterator[OptimizerCase]:
    """Every setting of the numbers with every combination of the options' values."""
    for numbers in settings:
        for values in itertools.product(*options.values()):
            yield optimizer_case(name, **numbers, **dict(zip(options, values, strict=True)))


def hill(parameters: Sequence[Tensor]) -> Tensor:
    """What has a maximum where ``quadratic`` has its minimum."""
    return -quadratic(parameters)


BOTH = (False, True)
DECAY = (0, 0.1)
ADAM = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8}, {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-2}
RADAM = *ADAM, {"lr": 0.1, "betas": (0.9, 0.9), "eps": 1e-4}  # few enough degrees of freedom for both branches

DENSE = [
    *grid("SGD", {"lr": 0.1}, weight_decay=DECAY, maximize=BOTH),
    *grid("SGD", {"lr": 0.1}, momentum=[0.9], dampening=[0, 0.3], weight_decay=DECAY, maximize=BOTH),
    *grid("SGD", {"lr": 0.1}, momentum=[0.9], nesterov=[True], weight_decay=DECAY, maximize=BOTH),
    *grid("Adam", *ADAM, weight_decay=DECAY, amsgrad=BOTH, decoupled_weight_decay=BOTH, maximize=BOTH),
    *grid("AdamW", *ADAM, weight_decay=DECAY, amsgrad=BOTH, maximize=BOTH),
    *grid("Adamax", *ADAM, weight_decay=DECAY, maximize=BOTH),
    *grid(
        "NAdam", *({**adam, "momentum_decay": decay} for adam, decay in zip(ADAM, (4e-3, 0.1), strict=True)),
        weight_decay=DECAY, decoupled_weight_decay=BOTH, maximize=BOTH,
    ),
    *grid("RAdam", *RADAM, weight_decay=DECAY, decoupled_weight_decay=BOTH, maximize=BOTH),
    *grid(
        "Adagrad", {"lr": 0.1}, {"lr": 0.1, "eps": 1e-2, "initial_accumulator_value": 0.5},
        lr_decay=[0, 0.1], weight_decay=DECAY, maximize=BOTH,
    ),
    *grid("Adadelta", {}, {"lr": 0.1, "rho": 0.5, "eps": 1e-2}, weight_decay=DECAY, maximize=BOTH),
    *grid(
        "RMSprop", {"lr": 0.1}, {"lr": 0.01, "alpha": 0.5, "eps": 1e-2},
        weight_decay=DECAY, momentum=[0, 0.9], centered=BOTH, maximize=BOTH,
    ),
    *grid("Rprop", {"lr": 0.1}, {"lr": 0.1, "etas": (0.3, 1.7), "step_sizes": (0.05, 0.2)}, maximize=BOTH),
    *grid(
        "ASGD", {"lr": 0.1}, {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5},
        weight_decay=DECAY, maximize=BOTH,
    ),
]  # fmt: skip
FACTORED = [
    case.but(parameters=(normal(3, 4), normal(5), normal(), normal(2, 3, 4), normal(1, 1)))
    for case in grid(
        "Adafactor", {"lr": 0.1}, {"lr": 0.2, "beta2_decay": -0.3, "eps": (1e-2, 0.1), "d": 2.0},
        weight_decay=DECAY, maximize=BOTH,
    )
]  # fmt: skip
MATRICES = [
    case.but(parameters=(normal(3, 4), normal(6, 2), normal(1, 1)), steps=10)
    for case in grid(
        "Muon", {"lr": 0.1}, {"lr": 0.1, "momentum": 0, "ns_steps": 2}, weight_decay=DECAY, nesterov=BOTH,
        adjust_lr_fn=[None, "original", "match_rms_adamw", *(["spectral_unclamped"] if TORCH >= (2, 14) else [])],
    )
]  # fmt: skip
CLOSURES = [
    case.but(objective=quadratic, steps=3)
    for case in grid(
        "LBFGS", {}, {"lr": 0.05, "history_size": 2}, max_iter=[3, 20], line_search_fn=[None, "strong_wolfe"],
    )
]  # fmt: skip
if TORCH >= (2, 14):
    CLOSURES += [
        optimizer_case("LBFGS", maximize=True, line_search_fn="strong_wolfe").but(objective=hill, steps=3),
        optimizer_case("LBFGS", lr=0.05, maximize=True).but(objective=hill, steps=3),
    ]


def one_of_each(cases: Sequence[OptimizerCase]) -> Iterator[OptimizerCase]:
    """The last case of each optimizer, which has the most options set."""
    yield from {case.name: case for case in cases}.values()


SPARSE = [
    *grid("SGD", {"lr": 0.1}, momentum=[0, 0.9], dampening=[0, 0.3], maximize=BOTH),
    *grid("Adagrad", {"lr": 0.1}, {"lr": 0.1, "initial_accumulator_value": 0.5}, lr_decay=[0, 0.1], maximize=BOTH),
    *grid("SparseAdam", *ADAM, maximize=BOTH),
]

# Whatever the options, the gradients may be ...
VARIED = [
    *(case.but(gradients=huge_gradients) for case in one_of_each([*DENSE, *FACTORED])),
    *(case.but(gradients=missing_gradients) for case in one_of_each([*DENSE, *FACTORED])),
    *(case.but(gradients=missing_gradients, groups=({"lr": 0.05}, {})) for case in one_of_each(DENSE)),
    *(
        case.but(parameters=(complex_normal(3, 4), normal(5), complex_normal()), gradients=gradients)
        for case in one_of_each(DENSE)
        for gradients in (case.gradients, missing_gradients)
    ),
    *(case.but(parameters=(normal(0, 3), normal(1), normal(2, 1, 3))) for case in one_of_each(DENSE)),
    *(case.but(kwargs=case.kwargs | {"lr": torch.tensor(0.1, dtype=torch.float64)}) for case in one_of_each(DENSE)),
    *(case.but(parameters=(normal(5, 2), normal(4)), gradients=sparse_gradients) for case in SPARSE),
]

CASES = [*DENSE, *FACTORED, *MATRICES, *CLOSURES, *VARIED]
SAVED = [*CASES[::3], *CLOSURES, *VARIED]  # cases in which a state moves from one to the other in mid-run

BAD = [
    *(optimizer_case(name, lr=-0.1) for name in sorted({case.name for case in CASES})),
    *(optimizer_case(name, weight_decay=-1) for name in ("SGD", "Adam", "Adafactor", "Adagrad", "ASGD")),
    *(optimizer_case(name, eps=-1e-8) for name in ("Adam", "Adamax", "NAdam", "RAdam", "RMSprop", "Adadelta")),
    *(
        optimizer_case(name, betas=betas)
        for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")
        for betas in ((1.0, 0.9), (0.9, -0.1))
    ),
    *(optimizer_case(name, lr=torch.tensor([0.1, 0.2])) for name in ("SGD", "Adam", "LBFGS", "Adafactor")),
    *(
        optimizer_case(name).but(parameters=(normal(5, 2),), gradients=sparse_gradients)
        for name in sorted({case.name for case in [*DENSE, *FACTORED]} - {"SGD", "Adagrad"})
    ),
    *(optimizer_case(name).but(parameters=(complex_normal(5, 2),)) for name in ("Adafactor", "Muon", "SparseAdam")),
    optimizer_case("SGD", momentum=-0.9),
    optimizer_case("SGD", nesterov=True),
    optimizer_case("SGD", nesterov=True, momentum=0.9, dampening=0.1),
    optimizer_case("SGD", fused=True, foreach=True),
    optimizer_case("SGD", no_such_option=1),
    optimizer_case("Adam", betas=(0, 0.9)),
    optimizer_case("Adam", fused=True, foreach=True),
    optimizer_case("Adagrad", lr_decay=-0.1),
    optimizer_case("Adagrad", initial_accumulator_value=-0.1),
    optimizer_case("Adagrad", weight_decay=0.1).but(parameters=(normal(5),), gradients=sparse_gradients),
    optimizer_case("Adadelta", rho=1.1),
    optimizer_case("RMSprop", alpha=-0.1),
    optimizer_case("RMSprop", momentum=-0.1),
    optimizer_case("NAdam", momentum_decay=-0.1),
    optimizer_case("Rprop", etas=(1.1, 1.2)),
    optimizer_case("Adafactor", d=0.5),
    optimizer_case("Adafactor", beta2_decay=0.1),
    optimizer_case("Adafactor", eps=(-1, 1)),
    optimizer_case("Muon"),
    optimizer_case("Muon", adjust_lr_fn="best").but(parameters=(normal(2, 2),)),
    optimizer_case("Muon", ns_steps=100).but(parameters=(normal(2, 2),)),
    optimizer_case("Muon", ns_coefficients=(1, 2)).but(parameters=(normal(2, 2),)),
    optimizer_case("SparseAdam"),
    optimizer_case("SparseAdam", lr=0.0),
    optimizer_case("LBFGS", line_search_fn="armijo").but(objective=quadratic),
    optimizer_case("LBFGS").but(groups=({}, {}), objective=quadratic),
]
