"""Cases of scratch/nn/batch_norm.py."""

from collections.abc import Iterator

from scratch.testing import Case, bad, case, given, integers, normal, uniform
from scratch.testing.cases.common import BIAS

FAR = given([[1e4, 3.0, 0.0], [1e4 + 1, 3.0, 1e-9], [1e4 - 1, 3.0, -2e-9], [1e4 + 2, 3.0, 3e-9]])  # N × C


def batches() -> Iterator[Case]:
    pairs = [normal(4, 3)]
    yield case("BatchNorm1d", 3, inputs=pairs)
    for options in (
        {"eps": 0.1, "momentum": 0.3},
        {"momentum": None},
        {"momentum": 0.0},
        {"affine": False},
        {"track_running_stats": False},
        {"affine": False, "track_running_stats": False},
    ):
        yield case("BatchNorm1d", 3, inputs=pairs, **options)
    yield case("BatchNorm1d", 3, bias=False, inputs=pairs).but(since=BIAS)
    for name, shape in (
        ("BatchNorm1d", (2, 3, 4)),
        ("BatchNorm1d", (1, 3, 2)),
        ("BatchNorm1d", (0, 3)),
        ("BatchNorm2d", (2, 3, 2, 3)),
        ("BatchNorm3d", (2, 3, 2, 1, 2)),
        ("SyncBatchNorm", (2, 3, 2)),
    ):
        yield case(name, 3, inputs=[normal(*shape)])
        if len(shape) > 3:
            yield case(name, 3, 0.1, None, False, inputs=[normal(*shape)])
    yield case("SyncBatchNorm", 3, momentum=None, affine=False, inputs=[normal(4, 3)])
    yield case("BatchNorm1d", 3, inputs=[FAR]).but(finite_differences=False)
    yield case("functional.batch_norm", inputs=[normal(4, 3), normal(3), uniform(3)]).but(constant=(1, 2))
    yield case("functional.batch_norm", None, None, normal(3), training=True, inputs=[normal(4, 3)])
    yield case("functional.batch_norm", normal(3), uniform(3), None, normal(3), True, 0.2, 0.1, inputs=[normal(4, 3)])


def instances() -> Iterator[Case]:
    for name, shape in (
        ("InstanceNorm1d", (2, 3, 4)),
        ("InstanceNorm1d", (3, 4)),
        ("InstanceNorm2d", (2, 3, 2, 3)),
        ("InstanceNorm3d", (3, 2, 2, 2)),
    ):
        yield case(name, 3, inputs=[normal(*shape)])
        yield case(name, 3, affine=True, track_running_stats=True, inputs=[normal(*shape)])
    yield case("InstanceNorm1d", 3, 0.1, affine=True, bias=False, inputs=[normal(2, 3, 4)]).but(since=BIAS)
    yield case("InstanceNorm1d", 3, momentum=None, track_running_stats=True, inputs=[normal(2, 3, 4)])
    yield case("InstanceNorm1d", 4, inputs=[normal(2, 3, 4)])  # only warns
    yield case("InstanceNorm1d", 3, inputs=[normal(0, 3, 4)])
    yield case("InstanceNorm1d", 3, eps=0.0, inputs=[normal(2, 3, 4)])
    yield case("functional.batch_norm", None, None, training=True, inputs=[normal(0)])
    yield case("functional.instance_norm", inputs=[normal(2, 3, 4)])
    yield case("functional.instance_norm", weight=normal(3), inputs=[normal(2, 3, 4)])


CASES = [*batches(), *instances()]

BAD_ARGUMENTS = [
    bad("BatchNorm1d", 3, inputs=[normal(1, 3)]),
    *(bad(f"BatchNorm{n}d", 3, inputs=[normal(2, 3, 2, 2, 2, 2)]) for n in (1, 2, 3)),
    bad("BatchNorm1d", 3, inputs=[normal(2, 4)]),
    bad("BatchNorm1d", 3, track_running_stats=False, inputs=[normal(2, 4)]),
    bad("BatchNorm1d", 3, inputs=[integers(5, 2, 3)]),
    bad("BatchNorm1d", 3, 0.0, inputs=[normal(2, 3)]),
    bad("BatchNorm1d", 3, -1.0, inputs=[normal(2, 3)]),
    bad("BatchNorm1d", -3, inputs=[normal(2, 3)]),
    bad("SyncBatchNorm", 3, inputs=[normal(3)]),
    bad("SyncBatchNorm", 0, inputs=[normal(3, 0)]),
    bad("functional.batch_norm", None, None, inputs=[normal(2, 3)]),
    bad("functional.batch_norm", normal(3), None, inputs=[normal(2, 3)]),
    bad("functional.batch_norm", normal(3), None, training=True, inputs=[normal(2, 3)]),
    bad("functional.batch_norm", None, None, normal(2), training=True, inputs=[normal(2, 3)]),
    bad("functional.batch_norm", None, None, training=True, inputs=[normal(3)]),
    bad("InstanceNorm1d", 3, inputs=[normal(2, 3, 1)]),
    *(bad(f"InstanceNorm{n}d", 3, inputs=[normal(2, 3, 2, 2, 2, 2)]) for n in (1, 2, 3)),
    bad("InstanceNorm1d", 3, affine=True, inputs=[normal(2, 4, 4)]),
    bad("InstanceNorm1d", 3, inputs=[integers(5, 2, 3, 4)]),
    bad("functional.instance_norm", use_input_stats=False, inputs=[normal(2, 3, 4)]),
    bad("functional.instance_norm", inputs=[normal(2, 3)]),
]
