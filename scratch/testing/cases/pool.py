"""Cases of max- and average pooling in scratch/nn/pool.py; the others are in other_pools.py."""

import torch

from scratch.testing import bad, case, distinct, integers, normal

IMAGE = [distinct(2, 3, 7, 6)]
EMPTY = [normal(0, 3, 7, 6)]
LAST = [lambda generator: distinct(2, 7, 6, 3)(generator).permute(0, 3, 1, 2)]  # channels_last


def ties(generator):
    return integers(2, 2, 3, 7, 6)(generator).to(torch.float64)


def ties3(generator):
    return integers(2, 1, 2, 3, 3, 3)(generator).to(torch.float64)


def infinite(generator):
    return torch.full((1, 2, 5, 4), -torch.inf, dtype=torch.float64)


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2)},
    {"kernel_size": 2, "stride": 1},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 2, "stride": (3, 1)},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": (4, 3), "stride": 4, "padding": (2, 1), "ceil_mode": True},
    {"kernel_size": (7, 6)},
]

CASES = [
    *(case(layer, inputs=IMAGE, **options) for layer in ("MaxPool2d", "AvgPool2d") for options in WINDOWS),
    *(case("MaxPool2d", inputs=IMAGE, return_indices=True, **options) for options in WINDOWS),
    *(case("AvgPool2d", inputs=IMAGE, count_include_pad=False, **options) for options in WINDOWS),
    case("MaxPool2d", 2, dilation=2, inputs=IMAGE),
    case("MaxPool2d", 3, 1, 1, (2, 1), inputs=IMAGE),
    case("MaxPool2d", 2, 2, 1, 3, return_indices=True, ceil_mode=True, inputs=IMAGE),
    case("AvgPool2d", 2, divisor_override=3, inputs=IMAGE),
    case("AvgPool2d", 3, 2, 1, True, False, -2, inputs=IMAGE),
    *(
        case(layer, 2, inputs=inputs)
        for layer in ("MaxPool2d", "AvgPool2d")
        for inputs in (EMPTY, LAST, [distinct(3, 7, 6)], [distinct(1, 1, 2, 2)])
    ),
    case("MaxPool2d", 2, return_indices=True, inputs=[distinct(3, 7, 6)]),
    *(
        case("MaxPool2d", *args, return_indices=indices, inputs=[ties]).but(finite_differences=False)
        for args in ((2,), (3, 1, 1), (2, 1), (2, 2, 1, 2))
        for indices in (False, True)
    ),
    *(
        case("MaxPool2d", *args, return_indices=indices, inputs=[infinite]).but(finite_differences=False)
        for args in ((3, 1, 1), (3, 2, 1, 2), (5, 2, 2))
        for indices in (False, True)
    ),
    *(
        case(layer, inputs=inputs, **options)
        for layer in ("MaxPool1d", "AvgPool1d")
        for inputs, options in (
            ([distinct(2, 3, 7)], {"kernel_size": 3, "stride": 2, "padding": 1}),
            ([distinct(3, 7)], {"kernel_size": (2,), "ceil_mode": True}),
            ([normal(0, 3, 7)], {"kernel_size": 7}),
        )
    ),
    *(
        case(layer, inputs=inputs, **options)
        for layer in ("MaxPool3d", "AvgPool3d")
        for inputs, options in (
            ([distinct(2, 2, 3, 4, 5)], {"kernel_size": (1, 2, 3), "stride": (2, 1, 2), "padding": (0, 1, 1)}),
            ([distinct(2, 3, 4, 3)], {"kernel_size": 2, "ceil_mode": True}),
        )
    ),
    case("MaxPool1d", 3, 2, 1, 2, True, True, inputs=[distinct(2, 3, 8)]),
    case("MaxPool3d", 2, 1, 1, (1, 2, 3), True, inputs=[distinct(1, 2, 3, 4, 5)]),
    case("MaxPool3d", 2, 1, return_indices=True, inputs=[ties3]).but(finite_differences=False),
    case("AvgPool1d", 3, 2, 1, True, False, inputs=[normal(2, 3, 8)]),
    case("AvgPool3d", 3, 2, 1, True, False, inputs=[normal(1, 2, 4, 4, 4)]),
    case("AvgPool3d", 2, divisor_override=3, inputs=[normal(1, 2, 4, 4, 4)]),
    case("functional.max_pool1d", 2, return_indices=True, inputs=[distinct(3, 7)]),
    case("functional.max_pool3d", 2, 1, (1, 0, 1), 1, True, inputs=[distinct(1, 2, 2, 3, 2)]),
    case("functional.avg_pool1d", 2, (), 1, inputs=[normal(2, 3, 7)]),
    case("functional.avg_pool3d", (1, 2, 2), (2,), 0, True, False, 5, inputs=[normal(1, 2, 2, 3, 3)]),
    case("functional.max_pool2d", (3, 2), 2, 1, 1, True, inputs=IMAGE),
    case("functional.max_pool2d", 2, return_indices=True, inputs=IMAGE),
    case("functional.max_pool2d", 3, padding=1, inputs=[integers(9, 2, 3, 7, 6)]),
    case("functional.avg_pool2d", (3, 2), (2,), 1, True, False, inputs=IMAGE),
    case("functional.avg_pool2d", 2, stride=(), inputs=IMAGE),
    case("functional.avg_pool2d", 3, inputs=[integers(9, 2, 3, 7, 6)]),
]

BAD_ARGUMENTS = [
    *(
        bad(layer, inputs=IMAGE, **options)
        for layer in ("MaxPool2d", "AvgPool2d")
        for options in (
            {"kernel_size": 0},
            {"kernel_size": -1},
            {"kernel_size": 8},
            {"kernel_size": 2.0},
            {"kernel_size": (2, 2, 2)},
            {"kernel_size": 2, "stride": 0},
            {"kernel_size": 2, "stride": -1},
            {"kernel_size": 2, "padding": 2},
            {"kernel_size": 2, "padding": -1},
        )
    ),
    *(
        bad(layer, 2, inputs=[normal(*size)])
        for layer in ("MaxPool2d", "AvgPool2d")
        for size in ((1, 2, 3, 4, 5), (2, 0, 4, 4), (2, 3, 0, 4))
    ),
    bad("MaxPool2d", 2, inputs=[normal(4, 4)]),
    *(bad(f"{layer}Pool{dims}d", 2, inputs=[normal(0, *[4] * dims)]) for layer in ("Max", "Avg") for dims in (1, 2, 3)),
    bad("MaxPool2d", 2, dilation=0, inputs=IMAGE),
    bad("MaxPool2d", 3, padding=2, dilation=2, inputs=IMAGE),
    bad("AvgPool2d", 2, divisor_override=0, inputs=IMAGE),
    bad("functional.max_pool2d", 2, inputs=[lambda generator: integers(2, 1, 4, 4)(generator).bool()]),
    *(
        bad(layer + "1d", inputs=inputs, **options)
        for layer in ("MaxPool", "AvgPool")
        for inputs, options in (
            ([normal(2, 3, 7)], {"kernel_size": 8}),
            ([normal(2, 3, 7)], {"kernel_size": 2, "padding": 2}),
            ([normal(2, 3, 7)], {"kernel_size": (2, 2)}),
            ([normal(2, 3, 7, 6)], {"kernel_size": 2}),
        )
    ),
    *(
        bad(layer + "3d", inputs=inputs, **options)
        for layer in ("MaxPool", "AvgPool")
        for inputs, options in (
            ([normal(2, 3, 4, 4, 4)], {"kernel_size": 5}),
            ([normal(2, 3, 4, 4, 4)], {"kernel_size": 2, "stride": (1, 1)}),
            ([normal(3, 4, 4)], {"kernel_size": 2}),
        )
    ),
    bad("AvgPool3d", 2, divisor_override=0, inputs=[normal(2, 3, 4, 4, 4)]),
    bad("functional.avg_pool2d", 2, inputs=[lambda generator: integers(2, 1, 4, 4)(generator).bool()]),
]
