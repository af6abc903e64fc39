"""Cases of scratch/ops/pool/lp_pool.py."""

import torch

from scratch.testing import bad, case, normal, uniform
from scratch.testing.cases.common import IMAGE, LINE, VOLUME


def with_zeros(generator: torch.Generator) -> torch.Tensor:
    return torch.tensor([[[0.0, 0.0, 0.0, 1.0, -2.0, 0.0]]], dtype=torch.float64)


INFINITE = (2, 14)  # before, it took the sum of powers for p = ±inf, and divided by p = 0

CASES = [
    case("LPPool1d", 2, 3, inputs=LINE),
    case("LPPool1d", 1.5, 2, 1, True, inputs=[uniform(3, 7, low=0.1)]),
    case("LPPool1d", 2, 2, inputs=[with_zeros]).but(finite_differences=False, second_order=False),  # there NaN in torch
    case("LPPool2d", 2, (2, 3), (2, 1), inputs=IMAGE),
    case("LPPool2d", 1, 2, ceil_mode=True, inputs=IMAGE),
    case("LPPool2d", -1.0, 3, 2, inputs=[uniform(2, 5, 5, low=0.1)]),
    case("LPPool2d", 3, 2, inputs=[uniform(0, 2, 3, 3)]),
    case("LPPool2d", float("inf"), 2, ceil_mode=True, inputs=IMAGE).but(since=INFINITE),
    case("LPPool3d", 3, 2, (1, 2, 1), True, inputs=[uniform(1, 2, 3, 3, 3, low=0.1)]),
    case("LPPool3d", float("-inf"), 2, inputs=VOLUME).but(since=INFINITE),
    case("functional.lp_pool1d", 2.0, 2, inputs=LINE),
    case("functional.lp_pool2d", 2.0, 2, (1, 2), True, inputs=IMAGE),
    case("functional.lp_pool3d", 1, (2, 1, 3), 2, inputs=VOLUME),
]

BAD_ARGUMENTS = [
    bad("LPPool1d", 2, 2, inputs=[normal(0, 4)]),
    bad("LPPool1d", 0, 2, inputs=LINE).but(since=INFINITE),
    bad("LPPool2d", 2, 8, inputs=IMAGE),
    bad("functional.lp_pool3d", 0, 2, inputs=VOLUME).but(since=INFINITE),
]
