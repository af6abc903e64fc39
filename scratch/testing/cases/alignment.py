"""Cases of scratch/nn/alignment.py. The reference is zoo.layers, since torch.nn has neither attention."""

from scratch.testing import Case, bad, case, given, integers, normal

MASK = given([[True, True, False, True], [False, True, False, False]])
NAMES: dict[str, tuple[tuple, dict]] = {
    "AdditiveAttention": ((3, 5, 6), {}),
    "MultiplicativeAttention": ((3, 5), {}),
}


def inputs(N=2, T=3, S=4, Q=3, K=5, D=None):
    """query (N, T, Q), key (N, S, K), and perhaps value (N, S, D)"""
    found = [normal(N, T, Q), normal(N, S, K)]
    return found if D is None else [*found, normal(N, S, D)]


def with_zoo(*cases: Case) -> list[Case]:
    return [each.but(reference="zoo.layers") for each in cases]


CASES = with_zoo(
    *(
        each
        for name, (sizes, options) in NAMES.items()
        for each in (
            case(name, *sizes, inputs=inputs(), **options),
            case(name, *sizes, inputs=inputs(D=2), **options),
            case(name, *sizes, inputs=inputs(), **options).but(call={"mask": MASK}),
            case(name, *sizes, inputs=inputs(D=2), **options).but(call={"mask": MASK}),
            case(name, *sizes, inputs=inputs(N=1, T=1, S=1), **options),
            case(name, *sizes, inputs=inputs(N=0), **options),
            case(name, *sizes, inputs=inputs(T=0), **options),
        )
    ),
    case("AdditiveAttention", 1, 1, 1, inputs=inputs(Q=1, K=1)),
    case("MultiplicativeAttention", 4, 4, False, inputs=inputs(Q=4, K=4)),
    case("MultiplicativeAttention", 4, 4, False, inputs=inputs(Q=4, K=4, D=3)).but(call={"mask": MASK}),
)

BAD_ARGUMENTS = with_zoo(
    *(
        each
        for name, (sizes, options) in NAMES.items()
        for each in (
            bad(name, *sizes, inputs=inputs(Q=4), **options),
            bad(name, *sizes, inputs=inputs(K=4), **options),
            bad(name, *sizes, inputs=[normal(2, 3, 3), normal(2, 4, 5), normal(2, 5, 2)], **options),
            bad(name, *sizes, inputs=[normal(2, 3, 3), normal(3, 4, 5)], **options),
            bad(name, *sizes, inputs=inputs(S=3), **options).but(call={"mask": MASK}),
            bad(name, *sizes, inputs=[integers(5, 2, 3, 3), normal(2, 4, 5)], **options),
        )
    ),
    bad("MultiplicativeAttention", 3, 5, False, inputs=inputs()),
)
