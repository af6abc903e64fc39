"""Cases of scratch/ops/pool/max_unpool.py."""

import torch

from scratch.testing import bad, case, integers, normal, uniform


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
    bad("functional.max_unpool3d", (1, 1), inputs=[normal(1, 1, 1, 1, 1), integers(1, 1, 1, 1, 1, 1)]),
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
