"""Greedy decoding and beam search: against each other, and against every sentence there is."""

from itertools import product

import pytest
import torch
from torch import Tensor

from zoo.text.decoding import Cache, beam_search, greedy, rows
from zoo.text.vocabulary import BOS, EOS, PAD

V, LENGTH = 6, 4


def toy(sentences: int) -> tuple[Tensor, Tensor]:
    """A memory in which each sentence has its own table of p(token | the two before, t), and BOS (N, 1)."""
    table = 2 * torch.randn(sentences, LENGTH, V, V, V, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    return table, torch.full((sentences, 1), BOS)


def model(tokens: Tensor, memory: Tensor, cache: Cache) -> Tensor:
    """It finds the token before the last, and t, in its cache."""
    before, t = cache.get("before", tokens[:, 0]), cache.get("t", 0)
    cache |= {"before": tokens[:, -1], "t": t + 1}
    return memory[torch.arange(len(tokens)), t, before, tokens[:, -1]].log_softmax(-1)[:, None]


def every_sentence() -> list[tuple[int, ...]]:
    """All that end with EOS within LENGTH tokens, and those of LENGTH tokens without EOS."""
    others = [token for token in range(V) if token != EOS]
    ended = [(*words, EOS) for size in range(LENGTH) for words in product(others, repeat=size)]
    return ended + list(product(others, repeat=LENGTH))


def score(sentence: tuple[int, ...], table: Tensor, length_penalty: float) -> float:
    before, last, total = BOS, BOS, 0.0
    for t, token in enumerate(sentence):
        total += float(table[t, before, last].log_softmax(-1)[token])
        before, last = last, token
    return total / ((5 + len(sentence)) / 6) ** length_penalty


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
def test_a_wide_beam_finds_the_best_of_all_sentences(length_penalty: float) -> None:
    memory, start = toy(3)
    found, scores = beam_search(model, memory, start, LENGTH, beam=V**LENGTH, length_penalty=length_penalty)
    for table, sentence, value in zip(memory, found.tolist(), scores.tolist(), strict=True):
        best = max(every_sentence(), key=lambda words: score(words, table, length_penalty))
        assert tuple(sentence[: len(best)]) == best
        assert set(sentence[len(best) :]) <= {PAD}
        assert value == pytest.approx(score(best, table, length_penalty), rel=1e-12)


def test_the_length_penalty_makes_sentences_longer() -> None:
    memory, start = toy(40)
    sizes = [(beam_search(model, memory, start, LENGTH, 8, alpha)[0] != PAD).sum().item() for alpha in (0.0, 1.0, 5.0)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_beam_of_one_is_greedy() -> None:
    memory, start = toy(40)
    found, _ = beam_search(model, memory, start, LENGTH, beam=1, length_penalty=0.6)
    assert torch.equal(found, greedy(model, memory, start, LENGTH))


def test_a_wider_beam_finds_no_worse_sentences() -> None:
    memory, start = toy(40)
    scores = [beam_search(model, memory, start, LENGTH, beam)[1] for beam in (1, 4, V**LENGTH)]
    assert (scores[2] >= scores[1] - 1e-12).all()
    assert scores[1].sum() > scores[0].sum()


def test_greedy_takes_the_likeliest_and_ends() -> None:
    memory, start = toy(40)
    found = greedy(model, memory, start, LENGTH)
    for table, sentence in zip(memory, found.tolist(), strict=True):
        before, last = BOS, BOS
        for t, token in enumerate(sentence):
            if last == EOS:
                assert set(sentence[t:]) == {PAD}
                break
            assert token == int(table[t, before, last].argmax())
            before, last = last, token


def test_one_sentence_or_many() -> None:
    memory, start = toy(7)
    together, scores = beam_search(model, memory, start, LENGTH, 3, 0.6)
    for n in range(7):
        alone, value = beam_search(model, memory[n : n + 1], start[:1], LENGTH, 3, 0.6)
        assert alone[0].tolist() == together[n, : alone.shape[1]].tolist()
        assert value[0] == scores[n]


def test_rows_of_anything() -> None:
    x = torch.arange(6).view(3, 2)
    chosen = rows({"a": (x, (x + 1, None)), "t": 2}, torch.tensor([2, 0, 0]))
    assert chosen["a"][0].tolist() == [[4, 5], [0, 1], [0, 1]]
    assert chosen["a"][1][0].tolist() == [[5, 6], [1, 2], [1, 2]]
    assert (chosen["a"][1][1], chosen["t"]) == (None, 2)
