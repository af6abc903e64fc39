"""Cases of scratch/ops/activation/rectifier.py: ReLU and its relatives."""

from scratch.testing import bad, booleans, case, distinct, integers, normal
from scratch.testing.cases.common import INFINITE, KINK, LARGE, PIECES, SHAPES, SPECIAL

KINKED = ["ReLU", "LeakyReLU"]
OTHERS = ["ReLU6", "ELU", "CELU", "SELU"]

CASES = [
    *(case(name, inputs=[distinct(*shape)]) for name in KINKED for shape in SHAPES),
    *(case(name, inputs=[LARGE]) for name in KINKED),
    *(case(name, inputs=[SPECIAL]).but(finite_differences=False) for name in KINKED),
    *(case(name, inputs=[KINK]).but(finite_differences=False) for name in KINKED),
    *(case("LeakyReLU", slope, inputs=[distinct(3, 4)]) for slope in (0.0, 0.3, 1.0, 1.7, -0.3, 2)),
    *(case("LeakyReLU", slope, inputs=[KINK]).but(finite_differences=False) for slope in (0.0, 1.7, -0.3)),
    case("ReLU", inplace=True, inputs=[distinct(3, 4)]),
    case("LeakyReLU", inplace=True, inputs=[distinct(3, 4)]),
    case("LeakyReLU", 0.2, True, inputs=[distinct(3, 4)]),
    case("functional.relu", inputs=[integers(9, 3, low=-9)]),
    case("functional.relu", True, inputs=[distinct(3, 4)]),
    case("functional.leaky_relu", 0.1, True, inputs=[distinct(3, 4)]),
    *(case(name, inputs=[values]) for name in OTHERS for values in (distinct(3, 4), LARGE)),
    *(case(name, inputs=[PIECES]).but(finite_differences=False) for name in OTHERS),
    case("ReLU6", inputs=[INFINITE]).but(finite_differences=False),
    *(case(name, inplace=True, inputs=[distinct(3)]) for name in ("ReLU6", "SELU")),
    *(case("ELU", *args, inputs=[distinct(3, 2)]) for args in ((2.0,), (-0.5,), (0.0,), (0.7, True))),
    # the native gradient has 1/α in single precision
    *(case("CELU", *args, inputs=[distinct(3, 2)]) for args in ((2.0,), (-0.5,), (0.25, True))),
    *(case("Threshold", 0.3, 2.0, inputs=[distinct(3, 2)], **options) for options in ({}, {"inplace": True})),
    case("Threshold", 1, -2, inputs=[PIECES]).but(finite_differences=False),
    *(case("RReLU", inputs=[distinct(3, 4)], **options) for options in ({}, {"inplace": True})),
    case("RReLU", 0.2, 0.2, inputs=[distinct(3)]),
    case("RReLU", -0.2, 1.5, inputs=[PIECES]).but(finite_differences=False),
    *(case(f"functional.{name}", inputs=[distinct(3)]) for name in ("relu_", "selu_")),
    case("functional.celu_", 0.5, inputs=[distinct(3)]),
    case("functional.elu_", 0.5, inputs=[distinct(3)]),
    case("functional.leaky_relu_", 0.3, inputs=[distinct(3)]),
    case("functional.rrelu_", 0.1, 0.3, True, inputs=[distinct(3)]),
    case("functional.threshold_", 0.1, 0.5, inputs=[distinct(3)]),
    case("functional.relu6", inputs=[integers(9, 5, low=-9)]),
    case("functional.threshold", 1, 3, inputs=[integers(9, 5, low=-9)]),
]

BAD_ARGUMENTS = [
    bad("LeakyReLU", inputs=[integers(9, 3)]),
    bad("LeakyReLU", "steep", inputs=[normal(3)]),
    *(bad(name, inputs=[booleans(3)]) for name in ("ReLU", "ReLU6")),
    *(bad(name, inputs=[values]) for name in ("ELU", "CELU", "SELU") for values in (integers(9, 3), booleans(3))),
    bad("CELU", 0.0, inputs=[normal(3)]),
    bad("RReLU", inputs=[integers(9, 4)]),
    bad("RReLU", 0.5, 0.2, inputs=[normal(3)]),
    bad("Threshold", 1.0, 2.0, inputs=[booleans(3)]),
    bad("Threshold", inputs=[normal(3)]),
]
