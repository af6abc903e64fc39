"""Gains that grow by 0.05 while a gradient keeps its sign and shrink by 5 % when it turns need full batches.

Notes:    003, lines 149-161.
Run:      a perceptron 64-32-10 on 500 digits, 200 steps with batches of 500 (all), 128 and 16: plain SGD against
          delta-bar-delta; and with momentum 0.9 SGD against gains that are steered by gradient × velocity; at the rate
          0.1, and each at the better of 0.1 and 1.
Number:   training loss with gains over that without.
Decided:  gains help where that is below 0.8. The claim holds if plain gains help with full batches and not with 16, at
          one rate and at tuned ones; holds only if the rates are tuned (or not) where it is so in that case alone;
          fails else.
Changed:  the tuned rates came after the first look: at one rate, gains are a greater rate by another name.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREY, ORANGE, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin, digits, mean_loss, perceptron, training

CHINESE = "增益“符号不变 +0.05，变号 ×0.95”只适合 full-batch 或很大的 mini-batch。"
SEEDS = 3
THRESHOLDS = {"helps": 0.8}
QUICK = {"steps": 80, "sizes": (500, 16)}
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("SGD", {}),
    "gains": ("DeltaBarDelta", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "gains by velocity": ("DeltaBarDelta", {"momentum": 0.9, "by_velocity": True}),
}


def run(
    impl: Implementation,
    seed: int,
    steps: int = 200,
    sizes: tuple[int, ...] = (500, 128, 16),
    rates: tuple[float, ...] = (0.1, 1.0),
) -> dict[str, Any]:
    data = digits().first(max(sizes))
    criterion = impl.nn.CrossEntropyLoss()
    found: dict[str, Any] = {"curves": {}}

    def learn(rule: str, options: dict[str, Any], rate: float, size: int) -> tuple[list[float], float]:
        """The training loss after every tenth step, and the median gain at the end."""
        begin(seed)
        network = perceptron(impl.nn, [64, 32, 10])
        optimizer = impl.optimizer(rule, network, lr=rate, **options)
        losses = [
            mean_loss(network, criterion, data.x, data.y)
            for done in training(network, criterion, optimizer, data.x, data.y, size, steps)
            if done % 10 == 0
        ]
        states = [optimizer.state[parameter] for parameter in network.parameters()]
        gains = [state["gain"].flatten() for state in states if "gain" in state]
        return losses, torch.cat(gains).median().item() if gains else 1.0

    for size in sizes:
        curves = {name: [learn(rule, options, rate, size) for rate in rates] for name, (rule, options) in RULES.items()}
        for gains, without in (("gains", "plain"), ("gains by velocity", "momentum")):
            ends = [[losses[-1] for losses, _ in curves[name]] for name in (gains, without)]
            found[f"{gains}, one rate, batch {size}"] = ends[0][0] / ends[1][0]
            found[f"{gains}, tuned, batch {size}"] = min(ends[0]) / min(ends[1])
        found[f"median gain, batch {size}"] = curves["gains"][0][1]
        for name, trials in curves.items():
            found["curves"][f"{name}, {size}"] = min(trials, key=lambda trial: trial[0][-1])[0]
    return found


def decide(numbers: Numbers) -> Verdict:
    sizes = [name.split()[-1] for name in numbers if name.startswith("gains, tuned")]
    one, tuned, velocity = (
        [numbers[f"{name}, batch {size}"] for size in (sizes[0], sizes[-1])]
        for name in ("gains, one rate", "gains, tuned", "gains by velocity, tuned")
    )
    because = (
        f"with gains the loss is {one[0]:.2f} of plain SGD's with full batches and {one[1]:.2f} with batches of "
        f"{sizes[-1]} at one rate, {tuned[0]:.2f} and {tuned[1]:.2f} at tuned ones; by velocity {velocity[0]:.2f} and "
        f"{velocity[1]:.2f} of momentum's",
        f"用增益后的损失与普通 SGD 之比：同一学习率下 full-batch 为 {one[0]:.2f}、batch {sizes[-1]} 为 {one[1]:.2f}，"
        f"各自调学习率后为 {tuned[0]:.2f} 和 {tuned[1]:.2f}；按“梯度×速度”调增益时，与动量法之比为 {velocity[0]:.2f} "
        f"和 {velocity[1]:.2f}",
    )
    needs = [ratios[0] < THRESHOLDS["helps"] <= ratios[1] for ratios in (one, tuned)]
    if all(needs):
        return holds(because)
    if needs[1]:
        return only_if(("the rates are tuned, and not left at one value", "学习率各自调好，而不是用同一个值"), because)
    if needs[0]:
        return only_if(("the rate is left at one value, and not tuned", "学习率用同一个值，而不是各自调好"), because)
    return fails(because)


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
    panels[0].set_ylabel(say("training loss", "训练损失"))
    for axes in panels:
        label_ends(axes)
