"""Cases of scratch/ops/conv/pad.py."""

from scratch.testing import bad, case, normal

SIZES = {1: (2, 3, 4), 2: (1, 2, 4, 3), 3: (1, 2, 3, 4, 3)}

CASES = [
    *(
        case(f"{kind}Pad{dims}d", padding, inputs=[normal(*SIZES[dims])])
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for dims, padding in ((1, (1, 2)), (2, (2, 0, -1, 1)), (3, 1))
    ),
    *(  # one side grows where the other loses all that it had, or more
        case("ReplicationPad1d", amounts, inputs=[normal(1, 2, 4)])
        for amounts in ((-1, 2), (2, -3), (1, -4), (3, -5), (-4, 2), (-3, 0))
    ),
    *(case(f"{kind}Pad2d", (-2, 2, 1, -1), inputs=[normal(1, 2, 3, 4)]) for kind in ("Reflection", "Replication")),
    case("CircularPad2d", (-1, 2, 1, -1), inputs=[normal(1, 2, 3, 4)]),
    case("ConstantPad1d", 2, -0.5, inputs=[normal(4)]),
    case("ConstantPad2d", (1, -1, 0, 2), value=3.0, inputs=[normal(2, 3)]),
    case("ConstantPad3d", (0, 1, 2, 0, 0, -1), 1.5, inputs=[normal(2, 0, 3, 2, 2)]),
    *(case(f"{kind}Pad2d", 1, inputs=[normal(2, 3, 3)]) for kind in ("Reflection", "Replication", "Circular")),
    case("functional.pad", (1, 2), inputs=[normal(3, 4)]),
    case("functional.pad", (1, 2, 0, 3), value=0.5, inputs=[normal(2, 3, 4)]),
    case("functional.pad", (-1, 2, 3, -2), inputs=[normal(2, 3, 4)]),
    case("functional.pad", (0, 0), inputs=[normal(3, 4)]),
    case("functional.pad", (), inputs=[normal(3, 4)]),
    case("functional.pad", (-2, -2), inputs=[normal(3, 4)]),
    case("functional.pad", (1, 0, 0, 1, 2, 0, 0, 1), inputs=[normal(1, 2, 1, 2)]),
    case("functional.pad", (1, 1), inputs=[normal(0, 4)]),
    *(
        case("functional.pad", amounts, mode, inputs=[normal(*size)])
        for mode in ("reflect", "replicate", "circular")
        for amounts, size in (
            ((2, 1), (3, 4)),
            ((2, 1), (2, 3, 4)),
            ((3, 0, 1, 2), (2, 3, 4)),
            ((3, 0, 1, 2), (1, 2, 3, 4)),
            ((-1, 2, 2, -1), (1, 2, 3, 5)),
            ((1, 1, 2, 0, 0, 1), (2, 2, 3, 2)),
            ((1, 1, 2, 0, 0, 1), (1, 1, 2, 3, 2)),
            ((1, 1, 1, 1), (0, 2, 3, 3)),
        )
    ),
    case("functional.pad", (5, 6), "replicate", inputs=[normal(2, 3)]),
    case("functional.pad", (3, 3), "circular", inputs=[normal(2, 3)]),
]

BAD_ARGUMENTS = [
    bad("CircularPad1d", (-3, 2), inputs=[normal(1, 1, 4)]),
    bad("ReplicationPad1d", (1, -5), inputs=[normal(1, 1, 4)]),
    bad("ReflectionPad1d", 4, inputs=[normal(2, 3, 4)]),
    bad("ReflectionPad1d", 1, inputs=[normal(4)]),
    bad("ReflectionPad2d", 1, inputs=[normal(3, 4)]),
    bad("ReplicationPad3d", 1, inputs=[normal(3, 4)]),
    bad("ReplicationPad2d", (1, 1), inputs=[normal(1, 2, 3, 4)]),
    bad("ReplicationPad2d", -2, inputs=[normal(1, 2, 3, 4)]),
    bad("CircularPad1d", 1, inputs=[normal(4)]),
    bad("CircularPad2d", 1, inputs=[normal(1, 1, 2, 3, 4)]),
    bad("CircularPad3d", 5, inputs=[normal(1, 1, 2, 3, 4)]),
    bad("ZeroPad2d", -2, inputs=[normal(3, 4)]),
    bad("ZeroPad2d", 1.5, inputs=[normal(3, 4)]),
    bad("ConstantPad2d", 1, 0.5, inputs=[normal(4)]),
    bad("functional.pad", (1,), inputs=[normal(3, 4)]),
    bad("functional.pad", (1, 1, 1, 1, 1, 1), inputs=[normal(3, 4)]),
    bad("functional.pad", (-3, -2), inputs=[normal(3, 4)]),
    bad("functional.pad", (1, 1), "mirror", inputs=[normal(3, 4)]),
    bad("functional.pad", (1, 1), "reflect", 0.5, inputs=[normal(3, 4)]),
    bad("functional.pad", (4, 0), "reflect", inputs=[normal(3, 4)]),
    bad("functional.pad", (5, 0), "circular", inputs=[normal(3, 4)]),
    bad("functional.pad", (-2, -2), "replicate", inputs=[normal(3, 4)]),
    bad("functional.pad", (1, 1), "reflect", inputs=[normal(2, 3, 4, 5)]),
    bad("functional.pad", (1, 1, 1, 1), "replicate", inputs=[normal(2, 0, 4, 5)]),
    bad("functional.pad", (1.0, 1), inputs=[normal(3, 4)]),
]
