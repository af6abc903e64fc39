"""Cases of scratch/ops/attention/attention.py and scratch/nn/attention.py."""

import math
from itertools import product

from scratch.testing import bad, booleans, case, given, integers, normal

SDPA = "functional.scaled_dot_product_attention"


def qkv(*batch, L=3, S=4, E=3, D=3):
    """q (…, L, E), k (…, S, E), v (…, S, D)"""
    return [normal(*batch, L, E), normal(*batch, S, E), normal(*batch, S, D)]


BLIND = given([[True, False, True, True], [False, False, False, False], [True, True, True, True]])
FORBIDDEN = given([[0.0, -math.inf, 0.5, 1.0], [-math.inf] * 4, [-1.0, 2.0, 0.0, 0.0]])
HUGE = given([[40.0, -40.0, 0.0], [40.0, 40.0, 40.0], [0.0, 0.0, 0.0]])

FUNCTION = [
    *(case(SDPA, inputs=qkv(*batch)) for batch in ((), (2,), (2, 3), (2, 1, 3), (0, 2), (2, 0))),
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
    *(bad(SDPA, None, p, inputs=qkv(2)) for p in (1.5, -0.5)),
    bad(SDPA, enable_gqa=True, inputs=[normal(2, 4, 3, 3), normal(2, 3, 5, 3), normal(2, 3, 5, 3)]),
    bad(SDPA, enable_gqa=True, inputs=qkv()),
    bad(SDPA, inputs=[normal(2, 4, 3, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 3)]),
]

LAYER = [
    case("ScaledDotProductAttention", *arguments, inputs=qkv(2, 2)).but(call=call, reference="zoo.layers")
    for arguments in ((), (0.4,))
    for call in ({}, {"is_causal": True}, {"mask": booleans(2, 1, 1, 4, true=0.7)}, {"mask": normal(3, 4)})
]

MHA = "MultiheadAttention"
FORBIDDEN_KEYS = booleans(2, 4, true=0.4)
SOME_WAYS = given([[False, True, False, False], [True, False, False, True], [False, False, False, False]])
NO_WAY = given([[True, True, True, True], [True, False, False, True], [False, False, False, False]])
CAUSAL = given([[False, True, True, True], [False, False, True, True], [False, False, False, True]])


def sequences(N=2, L=3, S=4, E=4, K=4, V=4, batch_first=False):
    """query (L, N, E), key (S, N, K), value (S, N, V), without N for None"""
    sizes = ((L, E), (S, K), (S, V))
    if N is None:
        return [normal(length, size) for length, size in sizes]
    return [normal(N, length, size) if batch_first else normal(length, N, size) for length, size in sizes]


MODULE = [
    *(
        case(MHA, 4, heads, inputs=sequences(), **options).but(call=call)
        for (heads, options), call in product(
            (
                (2, {}),
                (1, {"bias": False}),
                (4, {"add_bias_kv": True}),
                (2, {"add_zero_attn": True}),
                (2, {"dropout": 0.3, "add_bias_kv": True, "add_zero_attn": True}),
            ),
            (
                {},
                {"need_weights": False},
                {"average_attn_weights": False},
                {"key_padding_mask": FORBIDDEN_KEYS, "attn_mask": SOME_WAYS},
                {"need_weights": False, "key_padding_mask": FORBIDDEN_KEYS, "attn_mask": SOME_WAYS},
            ),
        )
    ),
    *(
        case(MHA, 4, 2, inputs=inputs, **options).but(call=call)
        for inputs, options in (
            (sequences(K=3, V=5), {"kdim": 3, "vdim": 5}),
            (sequences(V=5), {"vdim": 5, "bias": False, "add_bias_kv": True}),
            (sequences(batch_first=True), {"batch_first": True}),
            (sequences(N=None), {}),
            (sequences(N=None, K=3), {"kdim": 3, "batch_first": True, "add_zero_attn": True}),
            (sequences(N=1, L=1, S=1), {}),
            (sequences(N=0), {}),
            (sequences(L=0), {}),
        )
        for call in ({}, {"need_weights": False})
    ),
    *(
        case(MHA, 4, 2, inputs=sequences()).but(call={"need_weights": weights, **call})
        for weights in (True, False)
        for call in (
            {"key_padding_mask": FORBIDDEN_KEYS},
            {"key_padding_mask": normal(2, 4)},
            {"attn_mask": normal(3, 4)},
            {"attn_mask": booleans(4, 3, 4, true=0.3)},
            {"attn_mask": normal(4, 3, 4), "key_padding_mask": normal(2, 4)},
            {"attn_mask": normal(3, 4), "key_padding_mask": FORBIDDEN_KEYS},
            {"attn_mask": CAUSAL, "is_causal": True},
            {"attn_mask": CAUSAL, "is_causal": True, "key_padding_mask": FORBIDDEN_KEYS},
        )
    ),
    *(
        case(MHA, 4, 2, inputs=sequences()).but(
            call={"need_weights": weights, "attn_mask": NO_WAY}, finite_differences=False
        )
        for weights in (True, False)
    ),
    *(
        case(MHA, 4, 2, inputs=sequences(N=None)).but(call=call)
        for call in (
            {"key_padding_mask": booleans(4, true=0.3), "average_attn_weights": False},
            {"attn_mask": booleans(2, 3, 4, true=0.3)},
        )
    ),
]

BAD_MODULE = [
    *(bad(MHA, *arguments, inputs=sequences()) for arguments in ((4, 3), (0, 1), (4, 0), (-4, 2), (5, 2))),
    *(
        bad(MHA, 4, 2, inputs=inputs)
        for inputs in (
            [normal(4), normal(4), normal(4)],
            [normal(3, 2, 4), normal(4, 4), normal(4, 4)],
            sequences(E=5),
            sequences(K=5),
            sequences(V=5),
            [normal(3, 2, 4), normal(4, 2, 4), normal(5, 2, 4)],
            [normal(3, 2, 4), normal(4, 3, 4), normal(4, 3, 4)],
        )
    ),
    bad(MHA, 4, 2, kdim=3, vdim=5, inputs=sequences()),
    bad(MHA, 4, 2, kdim=3, inputs=[normal(3, 2, 4), normal(4, 2, 3), normal(5, 2, 4)]),
    *(
        bad(MHA, 4, 2, inputs=sequences()).but(call={"need_weights": weights, **call})
        for weights in (True, False)
        for call in (
            {"is_causal": True},
            {"attn_mask": booleans(3, 3)},
            {"attn_mask": booleans(2, 3, 4)},
            {"attn_mask": booleans(4)},
            {"attn_mask": integers(2, 3, 4)},
            {"key_padding_mask": booleans(2, 3)},
            {"key_padding_mask": booleans(3, 4)},
            {"key_padding_mask": booleans(4)},
        )
    ),
    bad(MHA, 4, 2, inputs=sequences(N=None)).but(call={"attn_mask": booleans(4, 3, 4)}),
    bad(MHA, 4, 2, inputs=sequences(N=None)).but(call={"key_padding_mask": booleans(1, 4)}),
]

CASES = FUNCTION + LAYER + MODULE
BAD_ARGUMENTS = BAD_FUNCTION + BAD_MODULE
