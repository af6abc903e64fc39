"""With batch norm a network trains faster and depends less on its initialisation.

Notes:    000, line 300.
Run:      a perceptron of 6 hidden layers of 64 units with ReLU on 1 000 digits, He's weights times 0.1, 0.3, 1, 3 and
          10, with and without batch norm, SGD in batches of 50 for 5 epochs, each at the better of the rates 0.03 and
          0.3.
Number:   test accuracy: its range over the five scales after 5 epochs, and its value at scale 1 after one epoch.
Decided:  depends less: the range is at most half; faster: 0.02 more after the first epoch at scale 1. Holds if both,
          holds only where the weights begin badly if only the former.
"""

from typing import Any

import torch
from torch.nn import Module, Sequential

from zoo.claims.drawing import BLUE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, initialise, training

CHINESE = "批归一化能加速训练，并减少对初始化的依赖。"
SEEDS = 3
THRESHOLDS = {"range": 0.5, "faster": 0.02}
QUICK = {"scales": (0.1, 1.0, 10.0), "epochs": 4, "examples": 800, "rates": (0.1,)}
EACH = 50


def run(
    impl: Implementation,
    seed: int,
    scales: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0),
    epochs: int = 5,
    examples: int = 1000,
    rates: tuple[float, ...] = (0.03, 0.3),
) -> dict[str, Any]:
    data, criterion = digits().first(examples), impl.nn.CrossEntropyLoss()
    found: dict[str, Any] = {"scales": list(scales)}

    def learn(norm: bool, scale: float, rate: float) -> list[float]:
        begin(seed)
        network = deep(impl.nn, norm)
        initialise(network, "He")
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() == 2:
                    parameter.mul_(scale)
        optimizer = impl.optimizer("SGD", network, lr=rate)
        curve = []
        for done in training(network, criterion, optimizer, data.x, data.y, EACH, epochs * examples // EACH):
            if done % (examples // EACH) == 0:
                curve.append(accuracy(network, data.test_x, data.test_y))
        return curve

    for name in ("plain", "batch norm"):
        curves = [
            max((learn(name == "batch norm", scale, rate) for rate in rates), key=lambda curve: curve[-1])
            for scale in scales
        ]
        found[f"{name}: range"] = max(curve[-1] for curve in curves) - min(curve[-1] for curve in curves)
        found[f"{name}: first epoch"] = curves[scales.index(1.0)][0]
        found[f"{name}: by scale"] = [curve[-1] for curve in curves]
        found[f"{name}: curve"] = curves[scales.index(1.0)]
    return found


def deep(nn: Any, norm: bool) -> Module:
    layers: list[Module] = []
    for inputs in (64,) * 6:
        layers += [nn.Linear(inputs, 64), *([nn.BatchNorm1d(64)] if norm else []), nn.ReLU()]
    return Sequential(*layers, nn.Linear(64, 10))


def decide(numbers: Numbers) -> Verdict:
    ranges, firsts = (
        [numbers[f"{name}: {what}"] for name in ("plain", "batch norm")] for what in ("range", "first epoch")
    )
    because = (
        f"over the scales of the weights accuracy ranges by {ranges[1]:.2f} with batch norm and by {ranges[0]:.2f} "
        f"without, and at the right scale the first epoch reaches {firsts[1]:.2f} with and {firsts[0]:.2f} without",
        f"不同权重尺度下准确率的波动：有批归一化 {ranges[1]:.2f}，没有 {ranges[0]:.2f}；尺度合适时第一轮后分别为 "
        f"{firsts[1]:.2f} 和 {firsts[0]:.2f}",
    )
    if ranges[1] > THRESHOLDS["range"] * ranges[0]:
        return fails(because)
    if firsts[1] - firsts[0] >= THRESHOLDS["faster"]:
        return holds(because)
    return only_if(("the weights begin at a wrong scale", "初始权重的尺度不合适"), because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.3, 1))
    names = {
        "plain": (say("without", "无"), RED),
        "batch norm": (say("with batch norm", "有批归一化"), BLUE),
    }
    for name, (label, colour) in names.items():
        for index, each in enumerate(runs):
            options = {"color": colour, "alpha": 0.7, "ms": 4, "lw": 1.2, "label": label if index == 0 else "_"}
            left.plot(each["scales"], each[f"{name}: by scale"], "o-", **options)
            curve = each[f"{name}: curve"]
            right.plot(range(1, len(curve) + 1), curve, "o-", **options)
    left.set_xscale("log")
    left.set_xticks(runs[0]["scales"], [f"{scale:g}" for scale in runs[0]["scales"]])
    left.minorticks_off()
    left.set_ylim(0, 1)
    panel(left, say("After 5 epochs", "5 轮之后"), say("initial weights, times He's", "初始权重（He 初始化的倍数）"))
    panel(right, say("He's weights", "He 初始化"), say("epoch", "轮"))
    left.set_ylabel(say("test accuracy", "测试准确率"))
    label_ends(right)
