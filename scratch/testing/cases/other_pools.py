"""Cases of the pooling layers in scratch/nn/pool.py that are neither a plain maximum nor a plain mean."""

import torch

from scratch.testing import bad, case, distinct, integers, normal, uniform

LINE = [distinct(2, 3, 7)]
IMAGE = [distinct(2, 2, 7, 5)]
VOLUME = [distinct(1, 2, 4, 3, 5)]


def ties(generator):
    return integers(2, 2, 2, 5, 7)(generator).to(torch.float64)


def infinite(generator):
    return torch.full((1, 2, 5, 4), -torch.inf, dtype=torch.float64)


def not_numbers(generator):
    x = ties(generator)
    return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.2, torch.nan)


def with_zeros(generator):
    return torch.tensor([[[0.0, 0.0, 0.0, 1.0, -2.0, 0.0]]], dtype=torch.float64)


def places(*shape, size):
    """Different ones for each channel."""

    def draw(generator):
        order = [
            torch.randperm(size, generator=generator)[: torch.Size(shape[2:]).numel()]
            for _ in range(shape[0] * shape[1])
        ]
        return torch.stack(order).view(shape)

    return draw


def same_place(generator):
    return torch.zeros(1, 2, 3, dtype=torch.int64)


CASES = [
    case("LPPool1d", 2, 3, inputs=LINE),
    case("LPPool1d", 1.5, 2, 1, True, inputs=[uniform(3, 7, low=0.1)]),
    case("LPPool1d", 2, 2, inputs=[with_zeros]).but(finite_differences=False, second_order=False),  # there NaN in torch
    case("LPPool2d", 2, (2, 3), (2, 1), inputs=IMAGE),
    case("LPPool2d", 1, 2, ceil_mode=True, inputs=IMAGE),
    case("LPPool2d", -1.0, 3, 2, inputs=[uniform(2, 5, 5, low=0.1)]),
    case("LPPool2d", 3, 2, inputs=[uniform(0, 2, 3, 3)]),
    case("LPPool2d", float("inf"), 2, ceil_mode=True, inputs=IMAGE),
    case("LPPool3d", 3, 2, (1, 2, 1), True, inputs=[uniform(1, 2, 3, 3, 3, low=0.1)]),
    case("LPPool3d", float("-inf"), 2, inputs=VOLUME),
    case("functional.lp_pool1d", 2.0, 2, inputs=LINE),
    case("functional.lp_pool2d", 2.0, 2, (1, 2), True, inputs=IMAGE),
    case("functional.lp_pool3d", 1, (2, 1, 3), 2, inputs=VOLUME),
    case("AdaptiveAvgPool1d", 3, inputs=LINE),
    case("AdaptiveAvgPool1d", (9,), inputs=[normal(3, 7)]),
    case("AdaptiveAvgPool2d", 1, inputs=IMAGE),
    case("AdaptiveAvgPool2d", (3, None), inputs=IMAGE),
    case("AdaptiveAvgPool2d", (7, 8), inputs=[normal(2, 7, 5)]),
    case("AdaptiveAvgPool2d", 2, inputs=[normal(0, 2, 3, 3)]),
    case("AdaptiveAvgPool2d", 2, inputs=[lambda generator: normal(2, 5, 3, 4)(generator).permute(0, 3, 1, 2)]),
    case("AdaptiveAvgPool3d", (3, 2, 4), inputs=VOLUME),
    case("AdaptiveAvgPool3d", 1, inputs=[normal(2, 3, 2, 2)]),
    case("AdaptiveMaxPool1d", 3, inputs=LINE),
    case("AdaptiveMaxPool1d", 5, True, inputs=[distinct(3, 7)]),
    case("AdaptiveMaxPool2d", (3, None), True, inputs=IMAGE),
    case("AdaptiveMaxPool2d", (1, 6), inputs=IMAGE),
    case("AdaptiveMaxPool2d", 3, inputs=[ties]).but(finite_differences=False),
    *(
        case("AdaptiveMaxPool2d", 3, True, inputs=[make]).but(finite_differences=False)
        for make in (ties, infinite, not_numbers)
    ),
    case("AdaptiveMaxPool2d", 2, inputs=[normal(0, 2, 3, 3)]),
    case("AdaptiveMaxPool3d", (3, 2, 4), True, inputs=VOLUME),
    case("AdaptiveMaxPool3d", 2, inputs=[distinct(2, 3, 2, 2)]),
    case("functional.adaptive_avg_pool1d", 4, inputs=LINE),
    case("functional.adaptive_avg_pool2d", (None, 2), inputs=IMAGE),
    case("functional.adaptive_avg_pool3d", (2, 2, None), inputs=VOLUME),
    case("functional.adaptive_max_pool1d", 4, inputs=LINE),
    case("functional.adaptive_max_pool2d", 3, return_indices=True, inputs=IMAGE),
    case("functional.adaptive_max_pool3d", (2, 2, None), True, inputs=VOLUME),
    case("FractionalMaxPool2d", 2, 3, inputs=IMAGE),
    case("FractionalMaxPool2d", 2, (0, 1), inputs=IMAGE),
    case("FractionalMaxPool3d", 2, (1, 0, 1), return_indices=True, inputs=VOLUME),
    case("FractionalMaxPool2d", (3, 2), (5, 4), return_indices=True, inputs=IMAGE),
    case("FractionalMaxPool2d", 2, output_ratio=(0.5, 0.7), inputs=[distinct(2, 7, 5)]),
    case("FractionalMaxPool2d", 2, 3, None, True, uniform(2, 2, 2), inputs=[ties]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 1, None, True, uniform(1, 2, 2), inputs=[infinite]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 3, return_indices=True, inputs=[not_numbers]).but(finite_differences=False),
    case("FractionalMaxPool2d", 2, 2, inputs=[normal(0, 2, 3, 3)]),
    case("FractionalMaxPool3d", 2, (2, 1, 3), return_indices=True, inputs=[distinct(2, 2, 5, 3, 6)]),
    case("FractionalMaxPool3d", (1, 2, 1), output_ratio=0.5, inputs=[distinct(2, 4, 5, 4)]),
    case("FractionalMaxPool3d", 2, 2, None, False, uniform(1, 2, 3), inputs=[distinct(1, 2, 4, 4, 5)]),
    case("functional.fractional_max_pool2d", 2, output_ratio=(0.5, 0.5), return_indices=True, inputs=IMAGE),
    case("functional.fractional_max_pool3d", 1, 2, inputs=VOLUME),
    case("MaxUnpool1d", 2, inputs=[normal(2, 3, 4), places(2, 3, 4, size=8)]),
    case("MaxUnpool1d", 3, 2, 1, inputs=[normal(1, 3, 4), places(1, 3, 4, size=8)]).but(call={"output_size": (8,)}),
    case("MaxUnpool1d", 2, inputs=[normal(1, 2, 3), same_place]).but(finite_differences=False),
    case("MaxUnpool2d", 2, inputs=[normal(2, 2, 3, 2), places(2, 2, 3, 2, size=24)]),
    case("MaxUnpool2d", (2, 3), (2, 1), (1, 0), inputs=[normal(1, 2, 3, 2), places(1, 2, 3, 2, size=20)]).but(
        call={"output_size": [1, 2, 5, 4]}
    ),
    case("MaxUnpool3d", 2, inputs=[normal(1, 2, 2, 1, 2), places(1, 2, 2, 1, 2, size=32)]),
    case("functional.max_unpool1d", 2, inputs=[normal(2, 3), lambda g: places(1, 2, 3, size=6)(g)[0]]),
    case("functional.max_unpool2d", 2, 1, inputs=[normal(1, 2, 3, 2), places(1, 2, 3, 2, size=12)]),
    case("functional.max_unpool3d", 1, 2, 0, (3, 1, 2), inputs=[normal(1, 2, 2, 1, 1), places(1, 2, 2, 1, 1, size=6)]),
]

BAD_ARGUMENTS = [
    bad("LPPool1d", 0, 2, inputs=LINE),
    bad("LPPool2d", 2, 8, inputs=IMAGE),
    bad("functional.lp_pool3d", 0, 2, inputs=VOLUME),
    *(
        bad(f"{layer}{dims}d", output, inputs=inputs)
        for layer in ("AdaptiveAvgPool", "AdaptiveMaxPool")
        for dims, output, inputs in (
            (1, None, LINE),
            (1, (2, 3), LINE),
            (1, -1, LINE),
            (2, 2.0, IMAGE),
            (2, (2, 2, 2), IMAGE),
            (2, 2, [normal(7, 5)]),
            (2, 2, [normal(2, 2, 0, 5)]),
            (3, (2, None), VOLUME),
        )
    ),
    bad("AdaptiveMaxPool2d", 2, inputs=[normal(2, 0, 3, 5)]),
    *(bad(f"Adaptive{mean}Pool2d", (2, 2), inputs=[normal(3, 3)]) for mean in ("Avg", "Max")),
    bad("AdaptiveAvgPool3d", (2, 2, 2), inputs=[normal(3, 3)]),
    bad("AdaptiveAvgPool3d", 2, inputs=[normal(2, 0, 3, 3, 3)]),
    bad("LPPool1d", 2, 2, inputs=[normal(0, 4)]),
    bad("functional.fractional_max_pool2d", 2, output_ratio=(0.5, 0.5, 0.5), inputs=IMAGE),
    bad("functional.max_unpool3d", (1, 1), inputs=[normal(1, 1, 1, 1, 1), integers(1, 1, 1, 1, 1, 1)]),
    bad("functional.adaptive_avg_pool2d", 2, inputs=[integers(3, 2, 3, 3)]),
    bad("functional.adaptive_max_pool2d", 2, inputs=[integers(3, 2, 3, 3)]),
    bad("FractionalMaxPool2d", 2, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 3, 0.5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, output_ratio=1.5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 5, inputs=IMAGE),
    bad("FractionalMaxPool2d", 0, 2, inputs=IMAGE),
    bad("FractionalMaxPool2d", 2, 2, inputs=[normal(2, 0, 5, 5)]),
    bad("FractionalMaxPool2d", 2, 2, _random_samples=uniform(1, 2, 2), inputs=IMAGE),
    bad("FractionalMaxPool3d", 0, 2, inputs=VOLUME),
    bad("FractionalMaxPool3d", 2, 3, inputs=VOLUME),
    bad("functional.fractional_max_pool2d", 2, inputs=IMAGE),
    bad("functional.fractional_max_pool2d", 2, 2, _random_samples=uniform(2, 2, 3), inputs=IMAGE),
    bad("MaxUnpool1d", 2, inputs=[normal(1, 2, 3), integers(9, 1, 2, 3, low=6)]),
    bad("MaxUnpool1d", 2, inputs=[normal(1, 2, 3), integers(2, 1, 2, 3, low=-9)]),
    bad("MaxUnpool2d", 2, inputs=[normal(1, 2, 3, 2), integers(6, 1, 2, 3)]),
    bad("MaxUnpool2d", 2, inputs=[normal(1, 2, 3, 2), uniform(1, 2, 3, 2)]),
    bad("MaxUnpool2d", 2, inputs=[normal(1, 0, 3, 2), integers(6, 1, 0, 3, 2)]),
    *(
        bad("MaxUnpool2d", 2, inputs=[normal(1, 2, 2, 2), integers(6, 1, 2, 2, 2)]).but(call={"output_size": size})
        for size in ((6, 4), (4,), 4)
    ),
]
