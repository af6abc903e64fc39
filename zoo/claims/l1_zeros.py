"""L1 makes coefficients zero, L2 makes them small.

Notes:    004, line 68.
Run:      softmax regression on 500 digits, full batches, 500 steps at the rate 0.5: without penalty; with 0.003 Σ|w| by
          the subgradient, which is what a loss with the penalty in it gives; with the same by the proximal step w ←
          sign(w) max(|w| − 0.5 · 0.003, 0) after each step on the loss alone; with 0.003 Σ w².
Number:   the share of the 640 weights that are exactly 0.
Decided:  a rule makes zeros if that is at least 0.1. Holds if L1 does by the subgradient and L2 does not; holds only
          with the proximal step where that alone does.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, GREEN, GREY, RED, Figure
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, step

CHINESE = "L1 正则让部分系数变成 0，L2 正则让系数趋近 0。"
SEEDS = 3
THRESHOLDS = {"makes zeros": 0.1}
QUICK = {"steps": 200}
PENALTY, RATE = 0.003, 0.5
RULES = ("none", "L2", "L1 by subgradient", "L1 by proximal steps")


def run(impl: Implementation, seed: int, steps: int = 500) -> dict[str, Any]:
    data, criterion = digits().first(500), impl.nn.CrossEntropyLoss()
    found: dict[str, Any] = {"weights": {}}
    for rule in RULES:
        begin(seed)
        network = impl.nn.Linear(64, 10)
        optimizer = impl.optimizer("SGD", network, lr=RATE)

        def loss(network: Any = network, rule: str = rule) -> Tensor:
            value = criterion(network(data.x), data.y)
            if rule == "L1 by subgradient":
                return value + PENALTY * network.weight.abs().sum()
            return value + PENALTY * network.weight.square().sum() if rule == "L2" else value

        for _ in range(steps):
            step(optimizer, loss)
            if rule == "L1 by proximal steps":
                with torch.no_grad():
                    w = network.weight
                    w.copy_(w.sign() * (w.abs() - RATE * PENALTY).clamp(min=0))
        weights = network.weight.detach().flatten()
        found[f"{rule}: share of zeros"] = (weights == 0).double().mean().item()
        found[f"{rule}: mean size"] = weights.abs().mean().item()
        found[f"{rule}: accuracy"] = accuracy(network, data.test_x, data.test_y)
        found["weights"][rule] = weights.tolist()
    return found


def decide(numbers: Numbers) -> Verdict:
    zeros = {rule: numbers[f"{rule}: share of zeros"] for rule in RULES}
    size = {rule: numbers[f"{rule}: mean size"] for rule in RULES}
    text = [f"{100 * zeros[rule]:.1f} %" for rule in ("L1 by subgradient", "L1 by proximal steps", "L2")]
    because = (
        f"exactly 0 are {text[0]} of the weights with L1 by its subgradient, {text[1]} by proximal steps and {text[2]} "
        f"with L2, which makes them smaller on average ({size['L2']:.3f} for {size['none']:.3f})",
        f"恰为 0 的权重：L1 次梯度 {text[0]}，L1 近端步 {text[1]}，L2 {text[2]}；L2 使权重平均大小从 "
        f"{size['none']:.3f} 降到 {size['L2']:.3f}",
    )
    least = THRESHOLDS["makes zeros"]
    if zeros["L2"] >= least or size["L2"] >= size["none"]:
        return fails(because)
    if zeros["L1 by subgradient"] >= least:
        return holds(because)
    if zeros["L1 by proximal steps"] >= least:
        return only_if(("the step for the penalty is the proximal one", "惩罚项用近端步来优化"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    names = {
        "none": (say("no penalty", "无惩罚"), GREY),
        "L2": ("L2", BLUE),
        "L1 by subgradient": (say("L1 by subgradient", "L1，次梯度"), RED),
        "L1 by proximal steps": (say("L1 by proximal steps", "L1，近端步"), GREEN),
    }
    panels = figure.subplots(1, 4, sharey=True, sharex=True)
    edges = [k / 100 - 0.605 for k in range(122)]
    for axes, (rule, (label, colour)) in zip(panels, names.items(), strict=True):
        axes.hist(runs[0]["weights"][rule], edges, color=colour)
        zeros = 100 * runs[0][f"{rule}: share of zeros"]
        axes.set_title(
            f"{label}\n" + say(f"{zeros:.0f} % exactly 0", f"{zeros:.0f}% 恰为 0"), color=colour, fontsize=9.5
        )
        axes.set(xlim=(-0.6, 0.6), yscale="log", xticks=[-0.5, 0, 0.5])
        axes.set_xlabel(say("weight", "权重"))
    panels[0].set_ylabel(say("how many of 640", "个数（共 640）"))
