"""Cases of scratch/ops/attention/attention.py."""

import math

from scratch.testing import bad, booleans, case, given, integers, normal

SDPA = "functional.scaled_dot_product_attention"


def qkv(*batch, L=3, S=4, E=3, D=3):
    """q (…, L, E), k (…, S, E), v (…, S, D)"""
    return [normal(*batch, L, E), normal(*batch, S, E), normal(*batch, S, D)]


BLIND = given([[True, False, True, True], [False, False, False, False], [True, True, True, True]])
FORBIDDEN = given([[0.0, -math.inf, 0.5, 1.0], [-math.inf] * 4, [-1.0, 2.0, 0.0, 0.0]])
HUGE = given([[40.0, -40.0, 0.0], [40.0, 40.0, 40.0], [0.0, 0.0, 0.0]])

FUNCTION = [
    *(case(SDPA, inputs=qkv(*batch)) for batch in ((), (2,), (2, 3), (2, 1, 3), (0, 2))),
    case(SDPA, inputs=qkv(2, 0)).but(since=(2, 13)),  # before it ended the process
    *(case(SDPA, inputs=qkv(2, 2, L=L, S=S)) for L, S in ((1, 1), (0, 3), (4, 2), (5, 1))),
    case(SDPA, inputs=qkv(2, S=0)).but(finite_differences=False),
    case(SDPA, inputs=qkv(2, E=5, D=2)),
    case(SDPA, inputs=qkv(1, E=1, D=1)),
    *(case(SDPA, is_causal=True, inputs=qkv(2, L=L, S=S)) for L, S in ((3, 3), (2, 4), (4, 2))),
    *(case(SDPA, scale=scale, inputs=qkv(2)) for scale in (0.3, -1.0, 0.0)),
    *(
        case(SDPA, mask, inputs=qkv(2, 2))
        for mask in (
            booleans(3, 4, true=0.7),
            booleans(2, 1, 3, 4, true=0.7),
            booleans(1, 2, 1, 4, true=0.7),
            booleans(1, 4, true=0.7),
            BLIND,
            FORBIDDEN,
        )
    ),
    *(
        case(SDPA, inputs=[*qkv(2, 2), mask])
        for mask in (normal(3, 4), normal(2, 1, 3, 4), normal(1, 2, 1, 4), normal(2, 3, 1), normal(2, 2, 3, 4))
    ),
    case(SDPA, normal(2, 1, 2, 3, 4), inputs=qkv(2, 2, 2)),
    *(case(SDPA, None, p, inputs=qkv(2, 2)) for p in (0.4, 1.0)),
    case(SDPA, booleans(3, 4, true=0.7), 0.4, inputs=qkv(2, 2)),
    case(SDPA, None, 0.4, True, scale=0.7, inputs=qkv(2, 2)),
    *(
        case(SDPA, enable_gqa=True, inputs=[normal(2, 4, 3, 3), normal(2, heads, 5, 3), normal(2, heads, 5, 3)])
        for heads in (1, 2, 4)
    ),
    case(SDPA, enable_gqa=True, inputs=[normal(4, 3, 3), normal(2, 5, 3), normal(1, 5, 3)]),
    case(SDPA, inputs=[normal(1, 2, 3, 3), normal(2, 1, 4, 3), normal(4, 2)]),
    case(SDPA, inputs=[HUGE, HUGE, normal(3, 2)]).but(finite_differences=False),
]

BAD_FUNCTION = [
    bad(SDPA, inputs=[normal(3), normal(4, 3), normal(4, 3)]),
    bad(SDPA, inputs=[normal(3, 2), normal(4, 3), normal(4, 3)]),
    bad(SDPA, inputs=[normal(2, 3, 3), normal(3, 4, 3), normal(3, 4, 3)]),
    bad(SDPA, inputs=[integers(5, 3, 3), integers(5, 4, 3), integers(5, 4, 3)]),
    bad(SDPA, inputs=[normal(3, 3), normal(4, 3), integers(5, 4, 3)]),
    bad(SDPA, normal(3, 5), inputs=qkv(2)),
    bad(SDPA, normal(5, 2, 3, 4), inputs=qkv(1, 2)),
    bad(SDPA, integers(2, 3, 4), inputs=qkv(2)),
    bad(SDPA, normal(3, 4), 0.0, True, inputs=qkv(2)),
    bad(SDPA, None, 1.5, inputs=qkv(2)),
    bad(SDPA, None, -0.5, inputs=qkv(2)).but(since=(2, 14)),
    bad(SDPA, enable_gqa=True, inputs=[normal(2, 4, 3, 3), normal(2, 3, 5, 3), normal(2, 3, 5, 3)]),
    bad(SDPA, enable_gqa=True, inputs=qkv()),
    bad(SDPA, inputs=[normal(2, 4, 3, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 3)]),
]

LAYER = [
    case("ScaledDotProductAttention", *arguments, inputs=qkv(2, 2)).but(call=call, reference="zoo.layers")
    for arguments in ((), (0.4,))
    for call in ({}, {"is_causal": True}, {"mask": booleans(2, 1, 1, 4, true=0.7)}, {"mask": normal(3, 4)})
]

CASES = FUNCTION + LAYER
BAD_ARGUMENTS = BAD_FUNCTION
