"""Cases of the activations in scratch/nn/activation.py."""

import math

from scratch.testing import bad, booleans, case, distinct, given, integers, normal

SMOOTH = ["Sigmoid", "LogSigmoid", "Tanh", "GELU"]
KINKED = ["ReLU", "LeakyReLU"]
SHAPES = [(), (5,), (3, 4), (2, 0, 3), (2, 3, 2, 2)]
LARGE = given([-1000.0, -300.0, -40.0, -15.0, 15.0, 40.0, 300.0, 1000.0])
SPECIAL = given([math.nan, math.inf, -math.inf, 1e-310, -1e-310, 1.0])
KINK = given([0.0, -0.0, 1.0, -1.0])

CASES = [
    *(case(name, inputs=[normal(*shape)]) for name in SMOOTH for shape in SHAPES),
    *(case(name, inputs=[distinct(*shape)]) for name in KINKED for shape in SHAPES),
    *(case(name, inputs=[LARGE]) for name in (*SMOOTH, *KINKED)),
    *(case(name, inputs=[SPECIAL]).but(finite_differences=False) for name in ("Sigmoid", "Tanh", *KINKED)),
    *(case(name, inputs=[KINK]).but(finite_differences=False) for name in KINKED),
    case("GELU", approximate="tanh", inputs=[normal(3, 4)]),
    case("GELU", approximate="tanh", inputs=[LARGE]),
    case("GELU", "tanh", inputs=[given([0.0, -0.0, 1e-9, -1e-9, -3.0, -6.0, 6.0])]),
    case("GELU", "none", inputs=[given([0.0, -0.0, 1e-9, -1e-9, -3.0, -6.0, 6.0])]),
    *(case("LeakyReLU", slope, inputs=[distinct(3, 4)]) for slope in (0.0, 0.3, 1.0, 1.7, -0.3, 2)),
    *(case("LeakyReLU", slope, inputs=[KINK]).but(finite_differences=False) for slope in (0.0, 1.7, -0.3)),
    case("ReLU", inplace=True, inputs=[distinct(3, 4)]),
    case("LeakyReLU", inplace=True, inputs=[distinct(3, 4)]),
    case("LeakyReLU", 0.2, True, inputs=[distinct(3, 4)]),
    case("functional.sigmoid", inputs=[integers(9, 3, low=-9)]),
    case("functional.tanh", inputs=[integers(9, 3, low=-9)]),
    case("functional.tanh", inputs=[booleans(3)]),
    case("functional.relu", inputs=[integers(9, 3, low=-9)]),
    case("functional.relu", True, inputs=[distinct(3, 4)]),
    case("functional.leaky_relu", 0.1, True, inputs=[distinct(3, 4)]),
    case("functional.logsigmoid", inputs=[normal(3, 4)]),
    case("functional.gelu", approximate="tanh", inputs=[normal(3, 4)]),
]

BAD_ARGUMENTS = [
    bad("GELU", approximate="erf", inputs=[normal(3)]),
    *(bad(name, inputs=[integers(9, 3)]) for name in ("GELU", "LeakyReLU", "LogSigmoid")),
    bad("ReLU", inputs=[booleans(3)]),
    bad("LeakyReLU", "steep", inputs=[normal(3)]),
]
