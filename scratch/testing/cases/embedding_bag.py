"""Cases of scratch/ops/embedding/embedding_bag.py."""

from collections.abc import Iterator

import torch

from scratch.testing import Case, bad, case, given, integers, normal

ROWS = given([[1, 4, 1], [0, 6, 1]])
LIST = [given([1, 4, 1, 0, 6, 1]), given([0, 2, 2, 5])]  # one bag is empty

FREQUENCIES = (2, 14)  # before, torch divided the gradients of some rows by how often others occur


def bags() -> Iterator[Case]:
    for mode in ("sum", "mean", "max"):
        yield case("EmbeddingBag", 7, 3, mode=mode, inputs=[ROWS])
        yield case("EmbeddingBag", 7, 3, mode=mode, inputs=LIST)
        narrow = given([1, 4, 1, 0, 6, 1], dtype=torch.int16)
        yield case("EmbeddingBag", 7, 3, mode=mode, inputs=[narrow, LIST[1]])
        yield case("EmbeddingBag", 7, 3, mode=mode, padding_idx=1, inputs=LIST)
        yield case("EmbeddingBag", 7, 3, mode=mode, include_last_offset=True, inputs=[LIST[0], given([0, 2, 2, 6])])
    yield case("EmbeddingBag", 7, 3, mode="sum", inputs=[*LIST, normal(6)])
    yield case("EmbeddingBag", 7, 3, mode="sum", inputs=[ROWS]).but(call={"per_sample_weights": normal(2, 3)})
    for options in ({"max_norm": 1.0}, {"max_norm": 0.5, "norm_type": 1.0, "padding_idx": -2}):
        yield case("EmbeddingBag", 7, 3, inputs=[ROWS], **options).but(finite_differences=False)
    for mode in ("sum", "mean"):
        for options, since in (({"scale_grad_by_freq": True}, FREQUENCIES), ({"sparse": True}, (0, 0))):
            found = case("EmbeddingBag", 7, 3, mode=mode, inputs=LIST, **options)
            yield found.but(finite_differences=False, second_order=False, since=since)
    table = given([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])
    tie = case("functional.embedding_bag", mode="max", inputs=[given([[0, 1, 2], [2, 0, 0]]), table])
    yield tie.but(finite_differences=False)
    yield case("functional.embedding_bag", inputs=[integers(7, 2, 2), normal(7, 3)])


CASES = [*bags()]

BAD_ARGUMENTS = [
    bad("EmbeddingBag", 7, 3, mode="sum", inputs=[*LIST, integers(3, 6)]),
    bad("EmbeddingBag", 7, 3, inputs=[LIST[0], given([0.0, 2.0])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([[7]])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([[-1]])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([[1.0]])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([1, 2])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([1, 2]), given([[0]])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([1, 2]), given([1])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([1, 2]), given([0, 3])]),
    bad("EmbeddingBag", 7, 3, inputs=[ROWS, given([0])]),
    bad("EmbeddingBag", 7, 3, inputs=[given([[[1]]])]),
    bad("EmbeddingBag", 7, 3, mode="median", inputs=[ROWS]),
    bad("EmbeddingBag", 7, 3, mode="max", sparse=True, inputs=[ROWS]),
    bad("EmbeddingBag", 7, 3, mode="max", scale_grad_by_freq=True, inputs=[ROWS]),
    bad("EmbeddingBag", 7, 3, inputs=[ROWS]).but(call={"per_sample_weights": normal(2, 3)}),
    bad("EmbeddingBag", 7, 3, mode="sum", inputs=[ROWS]).but(call={"per_sample_weights": normal(6)}),
    bad("EmbeddingBag", 7, 3, padding_idx=7, inputs=[ROWS]),
    bad("EmbeddingBag", 7, 3, _weight=normal(6, 3), inputs=[ROWS]),
    bad("EmbeddingBag.from_pretrained", normal(7), inputs=[]),
]
