"""Metrics of texts: the perplexity of a model, and how good translations are, by exact match or BLEU.

    BLEU = 100 · min(1, exp(1 − r / c)) · (p₁ p₂ p₃ p₄)^¼

Here pₙ is the fraction of the sequences of n words in all hypotheses that occur in their reference, each counted at
most as often as it occurs there; c and r are the numbers of words in hypotheses and references.
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
    """exp(mean loss over all characters or tokens). (The mean of exp(loss) over batches would be larger.)"""

    def compute(self) -> Tensor:
        return super().compute().exp()


class ExactMatch(MeanMetric):
    """The fraction of hypotheses that equal their references, character by character."""

    signature = "hypothesis and reference equal, character by character"

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:  # type: ignore[override]
        super().update(torch.tensor([a == b for a, b in zip(hypotheses, references, strict=True)]).float())


class BLEU(SacreBLEUScore):
    """BLEU of all hypotheses together, 0 to 100, one reference each.

    torchmetrics splits words as sacreBLEU's tokeniser 13a does, and does not smooth: without a single common sequence
    of four words BLEU is 0, where sacreBLEU's default gives a small number. Otherwise the two are equal. `signature`
    states this in sacreBLEU's notation.
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
    """The metric of that name, with ``update(hypotheses, references)`` for lists of texts and ``compute()``.

    Its ``signature`` is one line that says exactly what it measures.
    """
    one_of("metric", name, METRICS)
    return METRICS[name]()
