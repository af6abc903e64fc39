"""Cases of scratch/ops/loss/likelihood.py: Poisson, Gaussian and Kullback-Leibler."""

from collections.abc import Iterator

import torch

from scratch.testing import Case, bad, booleans, case, given, integers, normal, probabilities, uniform
from scratch.testing.cases.common import REDUCTIONS

PAIR = [normal(3, 4), uniform(3, 4, high=4.0)]


def likelihoods() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        yield case("PoissonNLLLoss", reduction=reduction, inputs=PAIR)
        yield case("GaussianNLLLoss", reduction=reduction, inputs=[*PAIR, uniform(3, 4, low=0.1)])
        yield case("KLDivLoss", reduction=reduction, inputs=[normal(3, 4), probabilities(3, 4)])
    yield case("PoissonNLLLoss", full=True, inputs=PAIR)
    yield case("PoissonNLLLoss", False, True, eps=0.1, inputs=[uniform(3, 4), uniform(3, 4, high=4.0)])
    counts = [normal(4), given([0.0, 1.0, 2.0, 1e5])]
    yield case("PoissonNLLLoss", full=True, inputs=counts).but(constant=(1,), finite_differences=False)
    yield case("GaussianNLLLoss", full=True, eps=0.3, inputs=[*PAIR, uniform(3, 1, low=0.4)])
    yield case("GaussianNLLLoss", inputs=[*PAIR, uniform(3, low=0.4)])
    small = [normal(4), normal(4), given([0.0, 0.05, 1e-300, 0.2])]  # PyTorch's slope where the variance is held
    yield case("GaussianNLLLoss", eps=0.1, inputs=small).but(finite_differences=False)
    yield case("functional.gaussian_nll_loss", 0.7, inputs=PAIR)
    yield case("KLDivLoss", reduction="batchmean", inputs=[normal(3, 4), probabilities(3, 4)])
    yield case("KLDivLoss", reduction="batchmean", inputs=[normal(), uniform(low=0.1)])
    yield case("KLDivLoss", reduction="sum", log_target=True, inputs=[normal(3, 4), normal(3, 4)])
    yield case("KLDivLoss", False, inputs=[normal(3, 4), probabilities(4)])
    nothing = case("KLDivLoss", reduction="none", inputs=[normal(3), given([0.0, 1.0, 0.5])])
    yield nothing.but(constant=(1,), finite_differences=False)


CASES = [*likelihoods()]

BAD_ARGUMENTS = [
    bad("GaussianNLLLoss", inputs=[normal(3), normal(3), integers(5, 3, low=1)]),
    *(
        bad("KLDivLoss", inputs=[normal(3, dtype=first), normal(3, dtype=second)])
        for first, second in ((torch.complex128, torch.float64), (torch.float64, torch.complex128))
    ),
    *(bad(name, reduction="median", inputs=PAIR) for name in ("PoissonNLLLoss", "KLDivLoss")),
    bad("GaussianNLLLoss", reduction="median", inputs=[*PAIR, uniform(3, 4)]),
    bad("GaussianNLLLoss", inputs=[*PAIR, normal(3, 4)]),
    bad("GaussianNLLLoss", inputs=[*PAIR, uniform(4)]),
    bad("functional.gaussian_nll_loss", -0.7, inputs=PAIR),
    *(
        bad("KLDivLoss", log_target=log, inputs=inputs)
        for log in (False, True)
        for inputs in ([normal(3), integers(2, 3)], [normal(3), booleans(3)], [integers(2, 3), normal(3)])
    ),
]
