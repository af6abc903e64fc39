"""The tuning recipe of the notes leads to a good network.

Notes:    003, lines 241-259: batch 32 and the rate from 1 down tenfold until the loss calms; then the batch that
          converges fastest; then many epochs with momentum; at last a tenth of the rate from a chosen epoch on.
Run:      those four steps for a perceptron 64-64-10 with ReLU on 800 digits, by the training loss alone; against the
          project's default recipe, Adam at 0.001 in batches of 64, for as many epochs. Calm is the first rate at which
          no epoch of three ends above the one before; batches of 8, 32 and 128, four epochs each; 20 epochs with
          momentum 0.9, the last four, a fifth, at a tenth of the rate.
Number:   test accuracy of both.
Decided:  holds if the recipe's is at most 0.005 below the default's; fails else.
"""

from itertools import pairwise
from typing import Any

from zoo.claims.drawing import BLUE, GREY, RED, Figure, label_ends, middle, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, accuracy, begin, digits, mean_loss, perceptron, training

CHINESE = "按笔记的调参步骤能得到好的网络。"
SEEDS = 5
THRESHOLDS = {"below": 0.005}
QUICK = {"examples": 700, "epochs": 15}
SIZES, CALM, FASTEST = (8, 32, 128), 3, 4


def run(impl: Implementation, seed: int, epochs: int = 20, examples: int = 800) -> dict[str, Any]:
    data, criterion = digits().first(examples), impl.nn.CrossEntropyLoss()

    def fresh() -> Any:
        begin(seed)
        return perceptron(impl.nn, [64, 64, 10], "ReLU")

    def losses(network: Any, optimizer: Any, size: int, epochs: int) -> list[float]:
        """The training loss after every epoch."""
        each, seen = -(-examples // size), []
        for done in training(network, criterion, optimizer, data.x, data.y, size, epochs * each):
            if done % each == 0:
                seen.append(mean_loss(network, criterion, data.x, data.y))
        return seen

    def sgd(network: Any, rate: float, momentum: float = 0.0) -> Any:
        return impl.optimizer("SGD", network, lr=rate, momentum=momentum)

    rate = 1.0  # step 1
    while rate > 1e-4:
        seen = losses(network := fresh(), sgd(network, rate), 32, CALM)
        if all(after <= before for before, after in pairwise(seen)):
            break
        rate /= 10
    ends = {size: losses(network := fresh(), sgd(network, rate), size, FASTEST)[-1] for size in SIZES}
    size = min(ends, key=lambda size: ends[size])  # step 2
    network = fresh()
    last = epochs // 5
    curve = losses(network, sgd(network, rate, 0.9), size, epochs - last)  # step 3
    curve += losses(network, sgd(network, rate / 10, 0.9), size, last)  # step 4
    recipe = accuracy(network, data.test_x, data.test_y)
    network = fresh()
    default = losses(network, impl.optimizer("Adam", network, lr=0.001), 64, epochs)
    return {
        "accuracy by the recipe": recipe,
        "accuracy by default": accuracy(network, data.test_x, data.test_y),
        "rate": rate,
        "batch": size,
        "curve": curve,
        "default": default,
        "fell at": epochs - last,
    }


def decide(numbers: Numbers) -> Verdict:
    recipe, default, rate, size, _ = numbers.values()
    because = (
        f"it finds the rate {rate:g} and batches of {size:g}, and reaches {100 * recipe:.1f} %; the default recipe "
        f"{100 * default:.1f} %",
        f"它找到学习率 {rate:g}、batch {size:g}，测试准确率 {100 * recipe:.1f}%；默认配方为 {100 * default:.1f}%",
    )
    return holds(because) if default - recipe <= THRESHOLDS["below"] else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    labels = {
        "curve": (BLUE, "accuracy by the recipe", say("the notes' recipe", "笔记的步骤")),
        "default": (RED, "accuracy by default", say("default (Adam)", "默认（Adam）")),
    }
    for name, (colour, right, label) in labels.items():
        text = f"{label}\n{100 * middle(runs, right):.1f} %"
        for index, each in enumerate(runs):
            axes.plot(
                range(1, len(each[name]) + 1), each[name], color=colour, lw=1.8 if index == 0 else 0.8,
                alpha=1 if index == 0 else 0.5, label=text if index == 0 else "_",
            )  # fmt: skip
    fell = runs[0]["fell at"]
    axes.axvline(fell, color=GREY, ls=":", lw=1)
    axes.text(fell - 0.2, 0.02, say("a tenth of the rate", "学习率降到十分之一"), transform=axes.get_xaxis_transform(),
              ha="right", color=GREY)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(range(0, len(runs[0]["curve"]) + 1, 5))
    panel(axes, "", say("epoch", "轮"), say("training loss", "训练损失"))
    label_ends(axes, 2.4)
