"""Without a bias a neuron's boundary passes through the origin; the bias frees it.

Notes:    000, line 47.
Run:      logistic regression between two clouds of 100 points around (1, 1) and (3, 3), and around (−1, −1) and (1, 1),
          with and without a bias; 500 full-batch steps at the rate 0.5.
Number:   the distance of the boundary from the origin; the accuracy.
Decided:  holds if the distance is 0 without, and accuracy on the first clouds 0.1 higher with; fails else.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, key
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin, fit

CHINESE = "没有偏置时，神经元的决策边界必过原点；偏置使它可以平移。"
SEEDS = 3
THRESHOLDS = {"distance": 0.0, "gain": 0.1}
QUICK = {"steps": 150}
CLOUDS = {"aside": (1.0, 3.0), "around": (-1.0, 1.0)}


def run(impl: Implementation, seed: int, steps: int = 500) -> dict[str, Any]:
    found: dict[str, Any] = {"points": {}, "boundaries": {}}
    for where, centres in CLOUDS.items():
        begin(seed)
        x = torch.cat([torch.randn(100, 2) * 0.6 + centre for centre in centres])
        y = torch.arange(2.0).repeat_interleave(100)[:, None]
        found["points"][where] = x.tolist()
        for bias in (False, True):
            begin(seed, 1)
            unit, criterion = impl.nn.Linear(2, 1, bias=bias), impl.nn.BCEWithLogitsLoss()
            optimizer = impl.optimizer("SGD", unit, lr=0.5)
            for _ in range(steps):
                fit(optimizer, unit, criterion, x, y)
            with torch.no_grad():
                right = ((unit(x) > 0) == (y > 0)).double().mean().item()
                offset = unit(torch.zeros(1, 2)).item()
            name = f"{where}, {'with' if bias else 'without'} bias"
            found[f"{name}: accuracy"] = right
            found[f"{name}: distance"] = abs(offset) / unit.weight.norm().item()
            found["boundaries"][name] = [*unit.weight.flatten().tolist(), offset]
    return found


def decide(numbers: Numbers) -> Verdict:
    without, with_bias = (numbers[f"aside, {how} bias: accuracy"] for how in ("without", "with"))
    distance = max(numbers[f"{where}, without bias: distance"] for where in CLOUDS)
    because = (
        f"without bias the boundary is {distance:g} away from the origin and {100 * without:.0f} % are right, with it "
        f"{100 * with_bias:.0f} %; clouds on both sides of the origin do not need it "
        f"({100 * numbers['around, without bias: accuracy']:.0f} % and "
        f"{100 * numbers['around, with bias: accuracy']:.0f} %)",
        f"无偏置时边界到原点的距离为 {distance:g}，准确率 {100 * without:.0f}%，有偏置则 {100 * with_bias:.0f}%；"
        f"两类分居原点两侧时则用不着偏置（{100 * numbers['around, without bias: accuracy']:.0f}% 与 "
        f"{100 * numbers['around, with bias: accuracy']:.0f}%）",
    )
    right = distance <= THRESHOLDS["distance"] and with_bias - without >= THRESHOLDS["gain"]
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(1, 2)
    titles = {
        "aside": say("Both clouds on one side of the origin", "两类都在原点一侧"),
        "around": say("The origin between them", "原点在两类之间"),
    }
    for axes, (where, title) in zip(panels, titles.items(), strict=True):
        x = torch.tensor(runs[0]["points"][where])
        axes.plot(*x[:100].T, ".", color=BLUE, ms=4, alpha=0.7)
        axes.plot(*x[100:].T, "x", color=RED, ms=4, alpha=0.7)
        axes.plot(0, 0, "+", color="black", ms=14, mew=2)
        low, high = (-0.8, 5) if where == "aside" else (-3, 3)
        entries = []
        for how, colour, dash in (("without", "black", "--"), ("with", GREEN, "-")):
            w1, w2, b = runs[0]["boundaries"][f"{where}, {how} bias"]
            ends = torch.tensor([low - 9, high + 9])
            axes.plot(ends, -(w1 * ends + b) / w2, color=colour, ls=dash)
            right = 100 * runs[0][f"{where}, {how} bias: accuracy"]
            name = say(f"{how} bias", {"with": "有偏置", "without": "无偏置"}[how])
            entries.append((f"{name} {dash} {right:.0f} %", colour))
        key(axes, entries, 0.99, 0.99)
        axes.set(xlim=(low, high), ylim=(low, high), xticks=[0], yticks=[0])
        axes.set_title(title)
