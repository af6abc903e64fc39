"""Attention without positions loses the order of words: "you hit me" and "me hit you" are the same to it.

Notes:    004, line 300: 你打我, 我打你.
Run:      the two sentences through one block as it begins (embedding, four heads of attention, feed-forward network,
          both with residual and layer norm): without and with sinusoidal positions, without and with a causal mask.
Number:   the greatest distance between what comes out for the same word in the two sentences.
Decided:  the order is lost below 1e-5 and seen above 0.01. Holds if it is lost without positions in both cases and seen
          with them; holds only without a causal mask where the mask alone lets it be seen.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from zoo.claims.drawing import BLUE, GREY, Figure
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin

CHINESE = "没有位置编码，注意力分不清词序：“你打我”和“我打你”没有区别。"
SEEDS = 3
THRESHOLDS = {"lost": 1e-5, "seen": 0.01}
QUICK: dict[str, Any] = {}
HEIGHT = 4.2
WORDS = {"zh": ["你", "打", "我"], "en": ["you", "hit", "me"]}
SENTENCES = ((0, 1, 2), (2, 1, 0))
SIZE = 32


def run(impl: Implementation, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"maps": {}}
    for positions in (False, True):
        for causal in (False, True):
            begin(seed)
            block = Block(impl.nn, positions, causal)
            outputs, maps = zip(*(block(torch.tensor([words])) for words in SENTENCES), strict=True)
            first, second = (output[0] for output in outputs)
            back = torch.tensor(SENTENCES[1])  # where each word of the first sentence stands in the second
            name = name_of(positions, causal)
            found[name] = (first - second[back]).norm(dim=1).max().item()
            found["maps"][name] = [each[0].tolist() for each in maps]
    return found


def name_of(positions: bool, causal: bool) -> str:
    return f"{'with' if positions else 'without'} positions, {'causal' if causal else 'no'} mask"


class Block(Module):
    """Words (N, T) -> (N, T, SIZE), and the weights of the attention, the mean of the heads (N, T, T)."""

    def __init__(self, nn: Any, positions: bool, causal: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, SIZE)
        self.attention = nn.MultiheadAttention(SIZE, 4, batch_first=True)
        self.feed_forward = torch.nn.Sequential(nn.Linear(SIZE, 64), nn.ReLU(), nn.Linear(64, SIZE))
        self.norms = torch.nn.ModuleList([nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)])
        self.positions = nn.SinusoidalPositions(SIZE) if positions else nn.Identity()
        self.causal = causal

    @torch.no_grad()
    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        x = self.positions(self.embedding(words))
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1) if self.causal else None
        seen, weights = self.attention(x, x, x, attn_mask=mask)
        x = self.norms[0](x + seen)
        return self.norms[1](x + self.feed_forward(x)), weights


def decide(numbers: Numbers) -> Verdict:
    lost, seen = THRESHOLDS.values()
    bare, masked, placed, both = (numbers[name_of(p, c)] for p in (False, True) for c in (False, True))
    because = (
        f"for the same word the outputs of the two sentences are {bare:.0e} apart without positions, {placed:.1f} with "
        f"them; but {masked:.1f} with a causal mask and no positions",
        f"同一个词在两句中的输出：无位置编码时相差 {bare:.0e}，有则 {placed:.1f}；而只加因果掩码、不加位置编码也有 "
        f"{masked:.1f}",
    )
    if bare >= lost or placed <= seen or both <= seen:
        return fails(because)
    if masked < lost:
        return holds(because)
    return only_if(("there is no causal mask", "没有因果掩码"), because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(2, 4)
    words = say("you hit me", "你 打 我").split()
    titles = {
        name_of(False, False): say("no positions,\nno mask", "无位置编码\n无掩码"),
        name_of(False, True): say("no positions,\ncausal mask", "无位置编码\n因果掩码"),
        name_of(True, False): say("positions,\nno mask", "有位置编码\n无掩码"),
        name_of(True, True): say("positions,\ncausal mask", "有位置编码\n因果掩码"),
    }
    for column, (name, title) in enumerate(titles.items()):
        same = runs[0][name] < THRESHOLDS["lost"]
        for row, sentence in enumerate(SENTENCES):
            axes, written = panels[row, column], [words[word] for word in sentence]
            weights = runs[0]["maps"][name][row]
            axes.imshow(weights, cmap="Blues", vmin=0, vmax=1)
            for i, line in enumerate(weights):
                for j, value in enumerate(line):
                    axes.text(j, i, f"{value:.2f}"[1:] if value < 0.995 else "1", ha="center", va="center", fontsize=8,
                              color="white" if value > 0.6 else "black")  # fmt: skip
            axes.set_xticks(range(3), written)
            axes.set_yticks(range(3), written if column == 0 else [])
            axes.tick_params(length=0)
            axes.grid(visible=False)
        panels[0, column].set_title(title, fontsize=9.5)
        verdict = (
            say("order lost", "词序丢失") if same else say(f"{runs[0][name]:.1f} apart", f"相差 {runs[0][name]:.1f}")
        )
        panels[1, column].set_xlabel(verdict, color=GREY if same else BLUE, weight="bold")
