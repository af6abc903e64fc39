"""Cases of scratch/ops/attention/multi_head_attention.py."""

from itertools import product

from scratch.testing import bad, booleans, case, given, integers, normal

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


CASES = [
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

BAD_ARGUMENTS = [
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
