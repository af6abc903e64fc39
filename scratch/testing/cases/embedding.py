"""Cases of scratch/nn/embedding.py."""

import torch

from scratch.testing import bad, case, given, integers, normal

TOKENS = [given([[1, 4, 1], [0, 6, 1]])]  # one of them three times, some never

CASES = [
    case("Embedding", 7, 3, inputs=TOKENS),
    case("Embedding", 7, 3, max_norm=1.0, inputs=[given([[1, 4, 1], [0, 6, 1]], dtype=torch.int32)]).but(
        finite_differences=False
    ),
    *(
        # what these options ask for is not the derivative, or the table changes at every call
        case("Embedding", 7, 3, inputs=TOKENS, **options).but(finite_differences=False)
        for options in (
            {"padding_idx": 1},
            {"padding_idx": 0},
            {"padding_idx": -1},
            {"max_norm": 1.0},
            {"max_norm": 1.5, "norm_type": 1.0},
            {"max_norm": 0.5, "norm_type": 3.0, "padding_idx": 4},
            {"max_norm": 0.5, "norm_type": torch.inf},
            {"max_norm": 100.0},
        )
    ),
    *(
        # torch leaves the scale out of the second derivative, and gradgradcheck does not read sparse tensors
        case("Embedding", 7, 3, inputs=TOKENS, **options).but(finite_differences=False, second_order=False)
        for options in (
            {"scale_grad_by_freq": True},
            {"scale_grad_by_freq": True, "padding_idx": 1},
            {"sparse": True},
            {"sparse": True, "padding_idx": 1},
        )
    ),
    case("Embedding", 7, 3, inputs=[given([2, 5, 2], dtype=torch.int32)]),
    case("Embedding", 7, 3, inputs=[given(3)]),
    case("Embedding", 7, 3, inputs=[integers(7, 2, 3, 4)]),
    case("Embedding", 7, 3, inputs=[integers(7, 0, 3)]),
    case("Embedding", 1, 1, inputs=[integers(1, 1)]),
    case("functional.embedding", inputs=[*TOKENS, normal(7, 3)]),
    case("functional.embedding", inputs=[*TOKENS, normal(7, 3)], padding_idx=-3).but(finite_differences=False),
]

BAD_ARGUMENTS = [
    bad("Embedding", 7, 3, inputs=[given([7])]),
    bad("Embedding", 7, 3, inputs=[given([-1])]),
    bad("Embedding", 7, 3, inputs=[given([1.0])]),
    bad("Embedding", 7, 3, inputs=[given([7])], max_norm=1.0),
    bad("Embedding", 7, 3, inputs=TOKENS, padding_idx=7),
    bad("Embedding", 7, 3, inputs=TOKENS, padding_idx=-8),
    bad("Embedding", 7, 3, inputs=TOKENS, _weight=normal(6, 3)),
    bad("Embedding", -7, 3, inputs=TOKENS),
    bad("Embedding", 7, 3, inputs=TOKENS, sparse=True, scale_grad_by_freq=True),
    bad("functional.embedding", inputs=[*TOKENS, normal(7)]),
    bad("functional.embedding", inputs=[*TOKENS, normal(7, 3)], padding_idx=7),
    bad("Embedding.from_pretrained", normal(7), inputs=[]),
]
