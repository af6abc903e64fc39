"""Exact match and BLEU: by hand on small texts, and as sacreBLEU itself computes it."""

import copy
import random

import pytest
import torch

from zoo.core.errors import UsageError
from zoo.text.metrics import metric

REFERENCES = [
    'A man, aged 42.5, says: "No - never!"',
    "Ein Mann in einem T-Shirt läuft über die Straße.",
    "Two dogs & a cat play in the snow near 10-year-old trees.",
    "Der Preis beträgt 1.000,50 Euro &quot;netto&quot;.",
] * 5


def changed(line: str, random: random.Random) -> str:
    """The line without some of its words, and some in another place."""
    words = [word for word in line.split() if random.random() < 0.85]
    if len(words) > 2 and random.random() < 0.5:
        words[:2] = words[1::-1]
    return " ".join(words)


def test_exact_match_counts_over_all_batches():
    exact = metric("exact_match")
    exact.update(["1997-05-03", "1997-05-03 "], ["1997-05-03", "1997-05-03"])
    exact.update(["", "a", "b"], ["", "a", "B"])
    assert float(exact.compute()) == pytest.approx(3 / 5)


def test_bleu_by_hand():
    bleu = metric("bleu")
    bleu.update(["a b c d e"], ["a b c d f g"])
    precisions = torch.tensor([4 / 5, 3 / 4, 2 / 3, 1 / 2], dtype=torch.float64)
    expected = 100 * torch.exp(torch.tensor(1 - 6 / 5)) * precisions.prod() ** 0.25
    assert float(bleu.compute()) == pytest.approx(float(expected), rel=1e-6)


def test_bleu_is_that_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    hypotheses = [changed(line, random.Random(i)) for i, line in enumerate(REFERENCES)]
    bleu = metric("bleu")
    for i in range(0, len(REFERENCES), 3):  # in batches
        bleu.update(hypotheses[i : i + 3], REFERENCES[i : i + 3])
    theirs = sacrebleu.metrics.BLEU(smooth_method="none")
    score = theirs.corpus_score(hypotheses, [REFERENCES]).score
    assert 20 < score < 90
    assert float(bleu.compute()) == pytest.approx(score, rel=1e-5)
    parts = [part.split(":")[0] for part in str(theirs.get_signature()).split("|")]
    assert [part.split(":")[0] for part in bleu.signature.split("|")] == parts
    assert "tok:13a|smooth:none" in str(theirs.get_signature())
    assert "tok:13a|smooth:none" in bleu.signature


def test_bleu_without_a_common_phrase_is_zero():
    bleu = metric("bleu")
    bleu.update(["a b c d", ""], ["e f g h", "a"])
    assert float(bleu.compute()) == 0
    assert float(copy.deepcopy(bleu).compute()) == 0


@pytest.mark.parametrize("name", ["bleu", "exact_match"])
def test_lists_of_different_lengths_are_refused(name):
    with pytest.raises(ValueError, match=r"references|shorter"):
        metric(name).update(["a", "b"], ["a"])


def test_an_unknown_metric_is_told():
    with pytest.raises(UsageError, match=r"metric=blue: unknown, did you mean 'bleu'\?; legal are exact_match, bleu"):
        metric("blue")
