"""Nine gradients of +0.1 and one of −0.9 should leave a weight where it is; Rprop does not, and so is not for
mini-batches.

Notes:    003, line 165.
Run:      30 rounds of these ten gradients, the −0.9 last as in the notes, and in random order, by SGD, RMSprop and
          Rprop.
Number:   over the last 15 rounds, how far the weight has drifted over how far it has gone in all.
Decided:  holds if in both orders Rprop drifts more than 0.3 of its way and SGD and RMSprop less than 0.05; fails else.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin

CHINESE = "九次梯度 +0.1、一次 −0.9，权重本应基本不变；Rprop 做不到，所以不适用于 mini-batch。"
SEEDS = 3
THRESHOLDS = {"stays": 0.05, "drifts": 0.3}
QUICK: dict[str, Any] = {}
RULES: dict[str, float] = {"SGD": 0.1, "RMSprop": 0.01, "Rprop": 0.01}  # and their rates
ROUND = [0.1] * 9 + [-0.9]


def run(impl: Implementation, seed: int, rounds: int = 30) -> dict[str, Any]:
    found: dict[str, Any] = {"paths": {}}
    for order in ("as in the notes", "random"):
        for name, rate in RULES.items():
            begin(seed)
            w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
            optimizer = impl.optimizer(name, [w], lr=rate)
            path = [0.0]
            for _ in range(rounds):
                for place in torch.randperm(10).tolist() if order == "random" else range(10):
                    w.grad = torch.full_like(w, ROUND[place])
                    optimizer.step()
                    path.append(w.item())
            found[f"{name}, {order}"] = drift(path[10 * (rounds // 2) :])
            found["paths"][f"{name}, {order}"] = path
    return found


def drift(path: list[float]) -> float:
    """|where it ends − where it began| / the length of the way."""
    w = torch.tensor(path, dtype=torch.float64)
    return ((w[-1] - w[0]).abs() / w.diff().abs().sum()).item()


def decide(numbers: Numbers) -> Verdict:
    stays, drifts = THRESHOLDS.values()
    right = all(
        numbers[f"{name}, {order}"] > drifts if name == "Rprop" else numbers[f"{name}, {order}"] < stays
        for name in RULES
        for order in ("as in the notes", "random")
    )
    text = [f"{100 * numbers[f'{name}, as in the notes']:.1f} %" for name in RULES]
    mixed = [f"{100 * numbers[f'{name}, random']:.1f} %" for name in RULES]
    because = (
        f"of its way the weight drifts {text[0]} by SGD, {text[1]} by RMSprop and {text[2]} by Rprop (in random order "
        f"{', '.join(mixed)})",
        f"净漂移占总路程：SGD {text[0]}，RMSprop {text[1]}，Rprop {text[2]}（随机次序为 {'、'.join(mixed)}）",
    )
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    titles = {
        "as in the notes": say("The −0.9 always last", "−0.9 总在最后"),
        "random": say("In random order", "次序随机"),
    }
    for axes, (order, title) in zip(panels, titles.items(), strict=True):
        for name, colour in zip(RULES, (BLUE, GREEN, RED), strict=True):
            axes.plot(runs[0]["paths"][f"{name}, {order}"], color=colour, label=name)
        panel(axes, title, say("step", "步"))
        axes.set_yscale("symlog", linthresh=0.1)
    panels[0].set_ylabel(say("weight", "权重"))
    for axes in panels:
        label_ends(axes)
