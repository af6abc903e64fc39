"""Cases of scratch/ops/activation/softmax.py."""

import math

import torch

from scratch.testing import bad, case, given, integers, normal

SHAPES = [(), (5,), (3, 4), (3, 1), (0, 4), (4, 0), (2, 3, 4), (2, 3, 2, 2)]
HUGE = given([[1e308, -1e308, 0.0], [1e5, 1e5 + 1, 1e5 - 1], [-1e5, -1e5, -2e5], [700.0, -700.0, 0.0]])
MASKED = given([[0.0, -math.inf, 1.0], [-math.inf, 2.0, -math.inf]])
UNDEFINED = given([[-math.inf, -math.inf, -math.inf], [math.inf, 0.0, 0.0], [math.nan, 0.0, 0.0]])

CASES = [
    *(case(name, -1, inputs=[normal(*shape)]) for name in ("Softmax", "LogSoftmax") for shape in SHAPES),
    *(case(name, dim, inputs=[normal(2, 3, 4)]) for name in ("Softmax", "LogSoftmax") for dim in (0, 1, 2, -3, None)),
    *(case(name, inputs=[normal(3, 4)]) for name in ("Softmax", "LogSoftmax")),
    *(
        case(name, dim=1, inputs=[values]).but(finite_differences=False)
        for name in ("Softmax", "LogSoftmax")
        for values in (HUGE, MASKED, UNDEFINED)
    ),
    *(
        case(f"functional.{name}", 0, dtype=torch.float64, inputs=[inputs])
        for name in ("softmax", "log_softmax")
        for inputs in (normal(3, 2), normal(3, 2, dtype=torch.float32), integers(5, 3))
    ),
    *(case("Softmin", dim, inputs=[normal(3, 4)]) for dim in (0, -1, None)),
    case("functional.gumbel_softmax", inputs=[normal(3, 4)]),
    case("functional.gumbel_softmax", 0.5, True, dim=0, inputs=[normal(3, 4)]).but(finite_differences=False),
    case("Softmin", 1, inputs=[HUGE]).but(finite_differences=False),
    case("functional.softmin", 0, dtype=torch.float64, inputs=[normal(3, 2, dtype=torch.float32)]),
    *(case("Softmax2d", inputs=[normal(*shape)]) for shape in ((2, 3, 2, 2), (3, 2, 2))),
]

BAD_ARGUMENTS = [
    *(bad(name, dim, inputs=[normal(3)]) for name in ("Softmax", "LogSoftmax") for dim in (True, 0.0)),
    *(bad(name, "rows", inputs=[normal(3)]).but(since=(2, 14)) for name in ("Softmax", "LogSoftmax")),
    *(bad(name, dim, inputs=[normal(3, 2)]) for name in ("Softmax", "LogSoftmax") for dim in (2, -3)),
    *(bad(name, 0, inputs=[integers(5, 3)]) for name in ("Softmax", "LogSoftmax")),
    bad("functional.softmax", 1, inputs=[normal()]),
    bad("Softmin", 2, inputs=[normal(3, 2)]),
    bad("Softmin", 0, inputs=[integers(5, 3)]),
    bad("Softmax2d", inputs=[normal(3, 2)]),
]
