"""Attention gives one and the same word other weights in other contexts.

Notes:    004, line 284.
Run:      苹果 is a fruit after 吃, 甜, 树 and a company after 手机, 股票, 发布; sentences of six words, that one, one
          of these and four that tell nothing, in random places. An embedding with positions, one head of attention and
          a linear layer on the output at 苹果 learn to say which, 300 steps of Adam at 0.01; and the same without
          attention.
Number:   the distance, half the sum of the differences, between the rows of the attention map of 苹果 in two sentences
          in which it has the same place, and the telling word another place and another meaning; accuracy on new
          sentences.
Decided:  holds if the distance is above 0.3 and the accuracy above 0.95, and without attention below 0.7; fails else.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from zoo.claims.drawing import BLUE, RED, Figure
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin, fit

CHINESE = "注意力机制能让同一个词在不同语境中得到不同的权重。"
SEEDS = 3
THRESHOLDS = {"distance": 0.3, "accuracy": 0.95, "blind": 0.7}
QUICK = {"steps": 150}
HEIGHT = 2.6
WORDS = {  # the ambiguous word, three of each meaning, those that tell nothing
    "zh": ["苹果", "吃", "甜", "树", "手机", "股票", "发布", "今天", "他们", "这个", "说", "的", "又"],
    "en": ["apple", "eat", "sweet", "tree", "phone", "share", "launch", "today", "they", "this", "say", "of", "again"],
}
AMBIGUOUS, FRUIT, COMPANY, NOTHING = 0, (1, 2, 3), (4, 5, 6), tuple(range(7, 13))
LENGTH, SIZE = 6, 32
PAIR = (8, 1, 7, 0, 12, 9), (8, 12, 7, 0, 6, 9)  # 他们 吃 今天 苹果 又 这个; 他们 又 今天 苹果 发布 这个


class Reader(Module):
    """Sentences (N, LENGTH) -> two logits, and the weights of the attention (N, LENGTH, LENGTH)."""

    def __init__(self, nn: Any, attends: bool) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(13, SIZE), nn.SinusoidalPositions(SIZE)
        self.attention = nn.MultiheadAttention(SIZE, 1, batch_first=True) if attends else None
        self.output = nn.Linear(SIZE, 2)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor | None]:
        x, weights = self.positions(self.embedding(words)), None
        if self.attention is not None:
            x, weights = self.attention(x, x, x)
        return self.output(x[words == AMBIGUOUS]), weights


def sentences(count: int) -> tuple[Tensor, Tensor]:
    words = torch.tensor(NOTHING)[torch.randint(len(NOTHING), (count, LENGTH))]
    meaning = torch.randint(2, (count,))
    telling = torch.tensor([FRUIT, COMPANY])[meaning, torch.randint(3, (count,))]
    places = torch.rand(count, LENGTH).argsort(1)
    words[torch.arange(count), places[:, 0]] = AMBIGUOUS
    words[torch.arange(count), places[:, 1]] = telling
    return words, meaning


def run(impl: Implementation, seed: int, steps: int = 300) -> dict[str, Any]:
    reader, right = learn(impl, seed, steps, attends=True)
    _, blind = learn(impl, seed, steps, attends=False)
    with torch.no_grad():
        rows = [reader(torch.tensor([sentence]))[1][0, 3] for sentence in PAIR]
    return {
        "accuracy": right,
        "accuracy without attention": blind,
        "distance": 0.5 * (rows[0] - rows[1]).abs().sum().item(),
        "rows": [row.tolist() for row in rows],
    }


def learn(impl: Implementation, seed: int, steps: int, attends: bool) -> tuple[Reader, float]:
    """A trained reader, and which share of new sentences it understands."""
    begin(seed)
    reader, criterion = Reader(impl.nn, attends), impl.nn.CrossEntropyLoss()
    optimizer = impl.optimizer("Adam", reader, lr=0.01)
    for _ in range(steps):
        words, meaning = sentences(64)
        fit(optimizer, lambda words: reader(words)[0], criterion, words, meaning)
    words, meaning = sentences(500)
    with torch.no_grad():
        return reader, (reader(words)[0].argmax(1) == meaning).double().mean().item()


def decide(numbers: Numbers) -> Verdict:
    right, distance, blind = (numbers[name] for name in ("accuracy", "distance", "accuracy without attention"))
    because = (
        f"in the two sentences the rows of the word are {distance:.2f} apart (1 is the most there is), and it is "
        f"understood in {100 * right:.0f} % of new ones, without attention in {100 * blind:.0f} %",
        f"这个词在两句中的注意力行相距 {distance:.2f}（最大为 1），新句子中理解正确率 {100 * right:.0f}%，没有注意力时 "
        f"{100 * blind:.0f}%",
    )
    least, accurate, guessing = THRESHOLDS.values()
    return holds(because) if distance > least and right > accurate and blind < guessing else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(2, 1)
    for axes, sentence, row, colour, meaning in zip(
        panels,
        PAIR,
        runs[0]["rows"],
        (RED, BLUE),
        (say("→ the fruit", "→ 水果"), say("→ the company", "→ 公司")),
        strict=True,
    ):
        axes.imshow([row], cmap="Reds" if colour == RED else "Blues", vmin=0, vmax=1, aspect="auto")
        for place, value in enumerate(row):
            axes.text(place, 0, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black")
        axes.set_xticks(range(LENGTH), [say(WORDS["en"][word], WORDS["zh"][word]) for word in sentence], fontsize=11)
        axes.get_xticklabels()[3].set_weight("bold")
        axes.set_yticks([0], [say("apple", "苹果")])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.annotate(meaning, (1.01, 0.5), xycoords="axes fraction", color=colour, weight="bold", va="center")
