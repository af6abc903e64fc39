"""Cases of scratch/ops/activation/prelu.py."""

import torch
from torch import Tensor

from scratch.testing import bad, case, distinct, given, integers, normal
from scratch.testing.cases.common import KINK, LARGE


class PReLU(torch.nn.PReLU):
    """The native one's tangent at 0 has slope 1, while its gradient has w."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        return torch.where(input > 0, input, self.weight * input)


CASES = [
    *(case("PReLU", inputs=[distinct(*shape)]) for shape in ((2, 3, 2), (2, 3), (3,), ())),
    case("PReLU", 3, 0.4, inputs=[distinct(2, 3, 2)]),
    case("PReLU", 1, inputs=[LARGE]),
    case("PReLU", 1, inputs=[KINK]).but(reference=PReLU, finite_differences=False),
    case("PReLU", 3, inputs=[normal(0, 3)]),
    case("functional.prelu", inputs=[distinct(2, 3), given(0.3)]),
]

BAD_ARGUMENTS = [
    bad("PReLU", 3, inputs=[normal(2, 4)]),
    bad("PReLU", 3, inputs=[normal(3)]),
    bad("PReLU", 3, inputs=[normal()]),
    bad("PReLU", inputs=[integers(9, 3)]),
    bad("functional.prelu", inputs=[normal(2, 3), normal(3, 1)]),
    bad("functional.prelu", inputs=[normal(2, 3), integers(9, 3)]),
]
