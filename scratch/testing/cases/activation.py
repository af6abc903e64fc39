"""Cases of the activations in scratch/nn/activation.py; those of softmax are in softmax.py."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from scratch.testing import Case, bad, booleans, case, distinct, given, integers, normal

SMOOTH = ["Sigmoid", "LogSigmoid", "Tanh", "GELU"]
KINKED = ["ReLU", "LeakyReLU"]
SHAPES = [(), (5,), (3, 4), (2, 0, 3), (2, 3, 2, 2)]
LARGE = given([-1000.0, -300.0, -40.0, -15.0, 15.0, 40.0, 300.0, 1000.0])
SPECIAL = given([math.nan, math.inf, -math.inf, 1e-310, -1e-310, 1.0])
KINK = given([0.0, -0.0, 1.0, -1.0])

PIECES = given([-6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0])  # where one of the pieces ends


INFINITE = given([math.inf, -math.inf, 1e-310, -1e-310])


class Hardsigmoid(torch.nn.Hardsigmoid):
    """The native one's gradient has factor 1/6 in single precision, at places that depend on the size of x."""

    def forward(self, input: Tensor) -> Tensor:
        output = torch.nn.functional.relu6(input + 3) / 6
        return input.copy_(output) if self.inplace else output


class PReLU(torch.nn.PReLU):
    """The native one's tangent at 0 has slope 1, while its gradient has w."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.where(input > 0, input, self.weight * input)


def others() -> Iterator[Case]:
    """Those without ties to other ops: each option once, then where pieces meet and where exponentials end."""
    smooth = ["SiLU", "Softplus", "Softsign", "Tanhshrink"]
    kinked = ["ReLU6", "Hardtanh", "Hardswish", "ELU", "CELU", "SELU", "Hardshrink", "Softshrink"]
    for name in smooth:
        yield case(name, inputs=[normal(3, 4)])
        yield case(name, inputs=[LARGE])
    for name in kinked:
        yield case(name, inputs=[distinct(3, 4)])
        yield case(name, inputs=[LARGE])
        yield case(name, inputs=[PIECES]).but(finite_differences=False)
    for name in ("ReLU6", "Hardtanh", "Hardshrink", "Softshrink"):
        yield case(name, inputs=[INFINITE]).but(finite_differences=False)
    for inputs, options in (([distinct(3, 4)], {}), ([distinct(3)], {"inplace": True}), ([LARGE], {})):
        yield case("Hardsigmoid", inputs=inputs, **options).but(reference=Hardsigmoid)
    for inputs in (PIECES, INFINITE):
        yield case("Hardsigmoid", inputs=[inputs]).but(reference=Hardsigmoid, finite_differences=False)
    yield case("Mish", inputs=[normal(3, 4)])
    yield case("Mish", inputs=[given([-300.0, -40.0, -15.0, 15.0, 40.0, 300.0])])
    yield case("Mish", inputs=[LARGE]).but(second_order=False)  # the native one's is NaN
    for name in ("ReLU6", "Hardswish", "SELU", "SiLU", "Mish"):
        yield case(name, inplace=True, inputs=[distinct(3)])
    for args in ((2.0,), (-0.5,), (0.0,), (0.7, True)):
        yield case("ELU", *args, inputs=[distinct(3, 2)])
    for args in ((2.0,), (-0.5,), (0.25, True)):  # the native gradient has 1/α in single precision
        yield case("CELU", *args, inputs=[distinct(3, 2)])
    yield case("Hardtanh", -0.3, 0.4, True, inputs=[distinct(3, 4)])
    yield case("Hardtanh", min_value=-0.3, max_value=0.4, inputs=[distinct(3, 4)])
    for args in ((0.3,), (0.0,), (-0.3,)):
        yield case("Hardshrink", *args, inputs=[distinct(3, 2)])
    yield case("Softshrink", 0.0, inputs=[distinct(3, 2)])
    for args in ((2.0,), (0.5, 1.0), (-1.0,)):
        yield case("Softplus", *args, inputs=[given([-30.0, -1.0, 0.0, 1.5, 1.9, 2.5, 30.0])])
    for options in ({}, {"inplace": True}):
        yield case("Threshold", 0.3, 2.0, inputs=[distinct(3, 2)], **options)
        yield case("RReLU", inputs=[distinct(3, 4)], **options)
    yield case("Threshold", 1, -2, inputs=[PIECES]).but(finite_differences=False)
    yield case("RReLU", 0.2, 0.2, inputs=[distinct(3)])
    yield case("RReLU", -0.2, 1.5, inputs=[PIECES]).but(finite_differences=False)
    for shape in ((2, 3, 2), (2, 3), (3,), ()):
        yield case("PReLU", inputs=[distinct(*shape)])
    yield case("PReLU", 3, 0.4, inputs=[distinct(2, 3, 2)])
    yield case("PReLU", 1, inputs=[LARGE])
    yield case("PReLU", 1, inputs=[KINK]).but(reference=PReLU, finite_differences=False)
    yield case("PReLU", 3, inputs=[normal(0, 3)])
    yield case("functional.prelu", inputs=[distinct(2, 3), given(0.3)])
    for dim, shape in ((-1, (3, 4)), (1, (2, 4, 3)), (0, (2,)), (0, (0, 3))):
        yield case("GLU", dim, inputs=[normal(*shape)])
    yield case("GLU", inputs=[LARGE]).but(finite_differences=False)
    for name in ("relu_", "selu_"):
        yield case(f"functional.{name}", inputs=[distinct(3)])
    yield case("functional.celu_", 0.5, inputs=[distinct(3)])
    yield case("functional.elu_", 0.5, inputs=[distinct(3)])
    yield case("functional.leaky_relu_", 0.3, inputs=[distinct(3)])
    yield case("functional.hardtanh_", -0.1, 0.1, inputs=[distinct(3)])
    yield case("functional.rrelu_", 0.1, 0.3, True, inputs=[distinct(3)])
    yield case("functional.threshold_", 0.1, 0.5, inputs=[distinct(3)])
    yield case("functional.hardtanh", -2.5, 3.5, inputs=[integers(9, 5, low=-9)])
    yield case("functional.relu6", inputs=[integers(9, 5, low=-9)])
    yield case("functional.threshold", 1, 3, inputs=[integers(9, 5, low=-9)])
    yield case("functional.softsign", inputs=[integers(9, 3, low=-9)])
    yield case("functional.tanhshrink", inputs=[integers(9, 3, low=-9)])


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
    *others(),
]

BAD_ARGUMENTS = [
    bad("GELU", approximate="erf", inputs=[normal(3)]),
    *(bad(name, inputs=[integers(9, 3)]) for name in ("GELU", "LeakyReLU", "LogSigmoid")),
    bad("ReLU", inputs=[booleans(3)]),
    bad("LeakyReLU", "steep", inputs=[normal(3)]),
    *(
        bad(name, inputs=[make(9, 3) if make is integers else make(3)])
        for make in (integers, booleans)
        for name in ("SiLU", "Mish", "Softplus", "Hardsigmoid", "Hardswish", "ELU", "CELU", "SELU", "Hardshrink")
    ),
    *(bad(name, inputs=[integers(9, 4)]) for name in ("Softshrink", "RReLU", "GLU")),
    *(bad(name, inputs=[booleans(3)]) for name in ("ReLU6", "Softsign", "Tanhshrink")),
    bad("Threshold", 1.0, 2.0, inputs=[booleans(3)]),
    bad("Threshold", inputs=[normal(3)]),
    bad("Hardtanh", 1.0, 1.0, inputs=[normal(3)]),
    bad("functional.hardtanh", 2.0, 1.0, inputs=[normal(3)]),
    bad("functional.hardtanh", inputs=[given([1], dtype=torch.uint8)]),
    bad("CELU", 0.0, inputs=[normal(3)]),
    bad("Softshrink", -0.1, inputs=[normal(3)]),
    bad("RReLU", 0.5, 0.2, inputs=[normal(3)]),
    bad("PReLU", 3, inputs=[normal(2, 4)]),
    bad("PReLU", 3, inputs=[normal(3)]),
    bad("PReLU", 3, inputs=[normal()]),
    bad("PReLU", inputs=[integers(9, 3)]),
    bad("functional.prelu", inputs=[normal(2, 3), normal(3, 1)]),
    bad("functional.prelu", inputs=[normal(2, 3), integers(9, 3)]),
    bad("GLU", inputs=[normal(3)]),
    bad("GLU", inputs=[normal()]),
    bad("GLU", 2, inputs=[normal(4, 4)]),
]
