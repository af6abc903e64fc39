"""How good translations are: how many are right to the letter, or how many words and phrases they share with others'.

    BLEU = 100 · min(1, exp(1 − r / c)) · (p₁ p₂ p₃ p₄)^¼,

pₙ the share of the sequences of n words in all hypotheses that are in their reference too (none counted more often
than it is there), c and r the words in hypotheses and references.
Sources: Papineni, Roukos, Ward and Zhu, BLEU: a method for automatic evaluation of machine translation (2002);
Post, A call for clarity in reporting BLEU scores (2018).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torchmetrics
from torch import Tensor
from torchmetrics import MeanMetric, Metric
from torchmetrics.text import SacreBLEUScore

from zoo.core.errors import one_of


class Perplexity(MeanMetric):
    """exp of the mean loss over all characters, which the mean of exp over the batches is not."""

    def compute(self) -> Tensor:
        return super().compute().exp()


class ExactMatch(MeanMetric):
    """The fraction of hypotheses that are their references to the letter."""

    signature = "hypothesis and reference equal, character by character"

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:  # type: ignore[override]
        super().update(torch.tensor([a == b for a, b in zip(hypotheses, references, strict=True)]).float())


class BLEU(SacreBLEUScore):
    """BLEU of all hypotheses together, 0 to 100, one reference each.

    torchmetrics counts words as sacreBLEU's tokeniser 13a cuts them, and smoothes nothing: while there is not one
    common sequence of four words, BLEU is 0, where sacreBLEU's own default says a little more. Otherwise the two are
    equal. `signature` says so in sacreBLEU's way.
    """

    signature = f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:none|version:torchmetrics.{torchmetrics.__version__}"

    def __init__(self, **options: Any) -> None:
        super().__init__(n_gram=4, smooth=False, tokenize="13a", lowercase=False, **options)

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:  # type: ignore[override]
        if len(hypotheses) != len(references):
            raise ValueError(f"{len(hypotheses)} hypotheses, but {len(references)} references")
        super().update(hypotheses, [[reference] for reference in references])

    def compute(self) -> Tensor:
        return 100 * super().compute()


METRICS: dict[str, type[Metric]] = {"exact_match": ExactMatch, "bleu": BLEU}


def metric(name: str) -> Any:
    """The metric of that name: ``update(hypotheses, references)`` with lists of texts, ``compute()``, and a
    ``signature``, one line that says what exactly it measures."""
    one_of("metric", name, METRICS)
    return METRICS[name]()
