"""Gains that grow by 0.05 while a gradient keeps its sign and shrink by 5 % when it turns need full batches.

Notes:    003, lines 149-161.
Run:      a perceptron 64-32-10 on 500 digits, 300 steps at the rate 0.1 with batches of 500 (all), 128 and 16: plain SGD against
          delta-bar-delta; and with momentum 0.9 SGD against gains that are steered by gradient × velocity.
Number:   training loss with gains over that without.
Decided:  gains help where that is below 0.8. The claim holds if plain gains help with full batches and not with 16, or hurt
          there; fails else.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREY, ORANGE, Figure, label_ends, panel
from zoo.claims.workbench import Implementation, Numbers, Say, Verdict, begin, digits, fails, holds
from zoo.claims.workbench import mean_loss, perceptron, training

CHINESE = "增益“符号不变 +0.05,变号 ×0.95”只适合 full-batch 或很大的 mini-batch。"
SEEDS = 3
THRESHOLDS = {"helps": 0.8}
QUICK = {"steps": 120, "sizes": (500, 16)}
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("SGD", {}),
    "gains": ("DeltaBarDelta", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "gains by velocity": ("DeltaBarDelta", {"momentum": 0.9, "by_velocity": True}),
}


def run(impl: Implementation, seed: int, steps: int = 300, sizes: tuple[int, ...] = (500, 128, 16)) -> dict[str, Any]:
    data = digits().first(max(sizes))
    criterion = impl.nn.CrossEntropyLoss()
    found: dict[str, Any] = {"curves": {}, "gains": {}}
    for size in sizes:
        ends = {}
        for name, (rule, options) in RULES.items():
            begin(seed)
            network = perceptron(impl.nn, [64, 32, 10])
            optimizer = impl.optimizer(rule, network, lr=0.1, **options)
            losses, medians = [], []
            for done in training(network, criterion, optimizer, data.x, data.y, size, steps):
                if done % 10 == 0:
                    losses.append(mean_loss(network, criterion, data.x, data.y))
                    if rule == "DeltaBarDelta":
                        gains = torch.cat([optimizer.state[p]["gain"].flatten() for p in network.parameters()])
                        medians.append(gains.median().item())
            ends[name] = losses[-1]
            found["curves"][f"{name}, {size}"] = losses
            found["gains"][f"{name}, {size}"] = medians
        found[f"gains, batch {size}"] = ends["gains"] / ends["plain"]
        found[f"by velocity, batch {size}"] = ends["gains by velocity"] / ends["momentum"]
        found[f"median gain, batch {size}"] = found["gains"][f"gains, {size}"][-1]
    return found


def decide(numbers: Numbers) -> Verdict:
    sizes = [name.split()[-1] for name in numbers if name.startswith("gains, batch")]
    ratios = [numbers[f"gains, batch {size}"] for size in sizes]
    velocity = [numbers[f"by velocity, batch {size}"] for size in sizes]
    because = (
        f"the loss is {ratios[0]:.2f} of plain SGD's with full batches and {ratios[-1]:.2f} with batches of {sizes[-1]}; "
        f"steered by the velocity {velocity[0]:.2f} and {velocity[-1]:.2f} of momentum's",
        f"用增益后的损失与普通 SGD 之比：full-batch 为 {ratios[0]:.2f}，batch {sizes[-1]} 为 {ratios[-1]:.2f}；"
        f"按“梯度×速度”调增益时与动量法之比为 {velocity[0]:.2f} 和 {velocity[-1]:.2f}",
    )
    helps = [ratio < THRESHOLDS["helps"] for ratio in ratios]
    return holds(*because) if helps[0] and not helps[-1] else fails(*because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    sizes = [name.split(", ")[1] for name in runs[0]["curves"] if name.startswith("plain")]
    panels = figure.subplots(1, len(sizes), sharey=True)
    names = {
        "plain": (say("plain", "普通"), GREY, "-"),
        "gains": (say("gains", "增益"), BLUE, "-"),
        "momentum": (say("momentum", "动量"), GREY, "--"),
        "gains by velocity": (say("by velocity", "按速度"), ORANGE, "--"),
    }
    for axes, size in zip(panels, sizes, strict=True):
        for name, (label, colour, dash) in names.items():
            curve = runs[0]["curves"][f"{name}, {size}"]
            axes.plot(range(10, 10 * len(curve) + 1, 10), curve, color=colour, ls=dash, label=label, lw=1.5)
        axes.set_yscale("log")
        gain = runs[0][f"median gain, batch {size}"]
        title = say("All 500 at once", "全部 500 个") if size == "500" else say(f"Batches of {size}", f"batch {size}")
        panel(axes, title, say("step", "步"), say(f"median gain {gain:.1f}", f"增益中位数 {gain:.1f}"))
        label_ends(axes)
    panels[0].set_ylabel(say("training loss", "训练损失"))
