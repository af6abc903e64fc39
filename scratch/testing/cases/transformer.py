"""Cases of scratch/nn/transformer.py."""

import math

from scratch.testing import bad, booleans, case, given, normal

CAUSAL = given([[0.0, -math.inf, -math.inf], [0.0, 0.0, -math.inf], [0.0, 0.0, 0.0]])
NO_WAY = given([[True, True, True], [True, False, False], [False, False, False]])
PADDING = given([[False, False, True], [False, False, False]])
SMALL = (4, 2, 3, 0.0)  # d_model, nhead, dim_feedforward, dropout


def square(x):
    return x * x


LAYER_OPTIONS = [
    {},
    {"activation": "gelu"},
    {"activation": square},
    {"norm_first": True},
    {"batch_first": True, "layer_norm_eps": 0.1},
    {"bias": False},
]

ENCODER_LAYER = [
    *(case("TransformerEncoderLayer", *SMALL, inputs=[normal(2, 3, 4)], **options) for options in LAYER_OPTIONS),
    *(
        case("TransformerEncoderLayer", 4, 2, 3, 0.3, inputs=[normal(2, 3, 4)], norm_first=norm_first)
        for norm_first in (False, True)
    ),
    case("TransformerEncoderLayer", 4, 1, 3, 0.0, inputs=[normal(3, 4)]),
    *(
        case("TransformerEncoderLayer", *SMALL, inputs=[normal(2, 3, 4)], batch_first=True).but(call=call)
        for call in (
            {"src_key_padding_mask": PADDING},
            {"src_mask": CAUSAL},
            {"src_mask": CAUSAL, "is_causal": True},
            {"src_mask": normal(4, 3, 3), "src_key_padding_mask": PADDING},
            {"src_mask": NO_WAY, "src_key_padding_mask": PADDING},
        )
    ),
]

DECODER_LAYER = [
    *(
        case("TransformerDecoderLayer", *SMALL, inputs=[normal(2, 3, 4), normal(2, 3, 4)], **options)
        for options in LAYER_OPTIONS
    ),
    case("TransformerDecoderLayer", 4, 2, 3, 0.3, inputs=[normal(2, 3, 4), normal(5, 3, 4)]),
    case("TransformerDecoderLayer", 4, 2, 3, 0.3, inputs=[normal(2, 4), normal(5, 4)], norm_first=True),
    *(
        case("TransformerDecoderLayer", *SMALL, inputs=[normal(2, 3, 4), normal(2, 3, 4)], batch_first=True).but(
            call=call
        )
        for call in (
            {"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_key_padding_mask": PADDING},
            {"tgt_mask": CAUSAL, "memory_mask": booleans(3, 3, true=0.3), "tgt_key_padding_mask": PADDING},
            {"memory_mask": NO_WAY},
            {"memory_mask": CAUSAL, "memory_is_causal": True},
        )
    ),
]

SIZES = (4, 2, 2, 2, 3, 0.0)  # d_model, nhead, encoder and decoder layers, dim_feedforward, dropout

TRANSFORMER = [
    *(
        case("Transformer", *SIZES, inputs=[normal(3, 2, 4), normal(3, 2, 4)], **options)
        for options in ({}, {"activation": "gelu", "norm_first": True}, {"bias": False})
    ),
    case("Transformer", 4, 1, 1, 1, 3, 0.2, batch_first=True, inputs=[normal(2, 5, 4), normal(2, 3, 4)]),
    case("Transformer", *SIZES, inputs=[normal(5, 4), normal(3, 4)]),
    case("Transformer", *SIZES, inputs=[normal(3, 2, 4), normal(3, 2, 4)]).but(call={"tgt_mask": CAUSAL}),
    *(
        case("Transformer", *SIZES, batch_first=True, inputs=[normal(2, 3, 4), normal(2, 3, 4)]).but(call=call)
        for call in (
            {"tgt_mask": CAUSAL, "src_key_padding_mask": PADDING, "memory_key_padding_mask": PADDING},
            {"src_mask": CAUSAL, "src_is_causal": True, "tgt_mask": CAUSAL, "tgt_is_causal": True},
            {"src_mask": CAUSAL, "tgt_mask": CAUSAL, "tgt_key_padding_mask": PADDING, "memory_mask": NO_WAY},
        )
    ),
]

CASES = [each.but(bfloat16=False) for each in ENCODER_LAYER + DECODER_LAYER + TRANSFORMER]

BAD_ARGUMENTS = [
    *(
        bad(name, 4, 2, 3, activation="tanh", inputs=[normal(2, 3, 4)] * count)
        for name, count in (("TransformerEncoderLayer", 1), ("TransformerDecoderLayer", 2))
    ),
    bad("TransformerEncoderLayer", 4, 3, inputs=[normal(2, 3, 4)]),
    bad("TransformerEncoderLayer", *SMALL, inputs=[normal(2, 3, 5)]),
    bad("TransformerEncoderLayer", *SMALL, inputs=[normal(2, 3, 4)]).but(call={"is_causal": True}),
    bad("TransformerEncoderLayer", *SMALL, inputs=[normal(2, 3, 4)]).but(call={"src_mask": booleans(3, 3)}),
    bad("TransformerEncoderLayer", 4, 2, 3, 1.5, inputs=[normal(2, 3, 4)]),
    bad("TransformerDecoderLayer", *SMALL, inputs=[normal(2, 3, 4), normal(2, 2, 4)]),
    bad("Transformer", *SIZES, inputs=[normal(3, 2, 4), normal(3, 1, 4)]),
    bad("Transformer", *SIZES, batch_first=True, inputs=[normal(3, 2, 4), normal(2, 2, 4)]),
    bad("Transformer", *SIZES, inputs=[normal(3, 2, 5), normal(3, 2, 5)]),
    bad("Transformer", *SIZES, inputs=[normal(3, 2, 4), normal(3, 2, 5)]),
]
