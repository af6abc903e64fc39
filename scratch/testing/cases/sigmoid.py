"""Cases of scratch/ops/activation/sigmoid.py: σ, tanh and the functions like them."""

import torch
from torch import Tensor

from scratch.testing import bad, booleans, case, distinct, given, integers, normal
from scratch.testing.cases.common import INFINITE, LARGE, PIECES, SHAPES, SPECIAL

SMOOTH = ["Sigmoid", "LogSigmoid", "Tanh"]


class Hardsigmoid(torch.nn.Hardsigmoid):
    """The native one's gradient has factor 1/6 in single precision, at places that depend on the size of x."""

    def forward(self, input: Tensor) -> Tensor:
        output = torch.nn.functional.relu6(input + 3) / 6
        return input.copy_(output) if self.inplace else output


CASES = [
    *(case(name, inputs=[normal(*shape)]) for name in SMOOTH for shape in SHAPES),
    *(case(name, inputs=[LARGE]) for name in SMOOTH),
    *(case(name, inputs=[SPECIAL]).but(finite_differences=False) for name in ("Sigmoid", "Tanh")),
    case("functional.sigmoid", inputs=[integers(9, 3, low=-9)]),
    case("functional.tanh", inputs=[integers(9, 3, low=-9)]),
    case("functional.tanh", inputs=[booleans(3)]),
    case("functional.logsigmoid", inputs=[normal(3, 4)]),
    *(case(name, inputs=[values]) for name in ("Softplus", "Softsign") for values in (normal(3, 4), LARGE)),
    *(
        case("Softplus", *args, inputs=[given([-30.0, -1.0, 0.0, 1.5, 1.9, 2.5, 30.0])])
        for args in ((2.0,), (0.5, 1.0), (-1.0,))
    ),
    case("functional.softsign", inputs=[integers(9, 3, low=-9)]),
    *(
        case("Hardsigmoid", inputs=inputs, **options).but(reference=Hardsigmoid)
        for inputs, options in (([distinct(3, 4)], {}), ([distinct(3)], {"inplace": True}), ([LARGE], {}))
    ),
    *(
        case("Hardsigmoid", inputs=[inputs]).but(reference=Hardsigmoid, finite_differences=False)
        for inputs in (PIECES, INFINITE)
    ),
    *(case("Hardtanh", inputs=[values]) for values in (distinct(3, 4), LARGE)),
    *(case("Hardtanh", inputs=[values]).but(finite_differences=False) for values in (PIECES, INFINITE)),
    case("Hardtanh", -0.3, 0.4, True, inputs=[distinct(3, 4)]),
    case("Hardtanh", min_value=-0.3, max_value=0.4, inputs=[distinct(3, 4)]),
    case("functional.hardtanh_", -0.1, 0.1, inputs=[distinct(3)]),
    case("functional.hardtanh", -2.5, 3.5, inputs=[integers(9, 5, low=-9)]),
]

BAD_ARGUMENTS = [
    bad("LogSigmoid", inputs=[integers(9, 3)]),
    *(bad(name, inputs=[values]) for name in ("Softplus", "Hardsigmoid") for values in (integers(9, 3), booleans(3))),
    bad("Softsign", inputs=[booleans(3)]),
    bad("Hardtanh", 1.0, 1.0, inputs=[normal(3)]),
    bad("functional.hardtanh", 2.0, 1.0, inputs=[normal(3)]),
    bad("functional.hardtanh", inputs=[given([1], dtype=torch.uint8)]),
]
