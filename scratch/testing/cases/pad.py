"""Cases of scratch/nn/pad.py; those of functional.pad are in conv.py."""

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
]
