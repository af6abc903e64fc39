"""The tuning recipe of the notes leads to a good network.

Notes:    003, lines 241-259: batch 32 and the rate from 1 down tenfold until the loss calms; then the batch that
          converges fastest; then many epochs with momentum; at last a tenth of the rate from a chosen epoch on.
Run:      those four steps for a perceptron 64-64-10 with ReLU on the digits, by the training loss alone; against the
          project's default recipe, Adam at 0.001 in batches of 64, for as many epochs. Calm is the first rate at which
          no epoch of three ends above the one before; batches of 8, 32 and 128, four epochs each; 20 epochs with
          momentum 0.9, the last four, a fifth, at a tenth of the rate. And the same with a tenth of the rate from the
          moment momentum comes in, since a velocity of 0.9 adds ten gradients up.
Number:   test accuracy.
Decided:  holds if the recipe's is at most 0.005 below the default's, holds only if the rate is cut with momentum where
          it is so then.
Changed:  the cut rate, and five seeds for three, came after the first look, where one run of three did not learn.
"""

from itertools import pairwise
from statistics import median_low
from typing import Any

from zoo.claims.drawing import BLUE, GREY, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, mean_loss, perceptron, training

CHINESE = "按笔记的调参步骤能得到好的网络。"
SEEDS = 5
THRESHOLDS = {"below": 0.005}
QUICK = {"examples": 500, "epochs": 15}
SIZES, CALM, FASTEST = (8, 32, 128), 3, 4


def run(impl: Implementation, seed: int, epochs: int = 20, examples: int = 1437) -> dict[str, Any]:
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
    last = epochs // 5

    def many_epochs(rate: float) -> tuple[list[float], float]:
        """Steps 3 and 4: the losses, and the test accuracy."""
        network = fresh()
        curve = losses(network, sgd(network, rate, 0.9), size, epochs - last)
        curve += losses(network, sgd(network, rate / 10, 0.9), size, last)
        return curve, accuracy(network, data.test_x, data.test_y)

    recipe, right = many_epochs(rate)
    cut, right_cut = many_epochs(rate / 10)
    default = losses(network := fresh(), impl.optimizer("Adam", network, lr=0.001), 64, epochs)
    return {
        "accuracy by the recipe": right,
        "accuracy by the recipe, rate cut": right_cut,
        "accuracy by default": accuracy(network, data.test_x, data.test_y),
        "rate": rate,
        "batch": size,
        "curves": {"the recipe": recipe, "the recipe, rate cut": cut, "default": default},
        "epochs before": epochs - last,
    }


def decide(numbers: Numbers) -> Verdict:
    recipe, cut, default, rate, size, _ = numbers.values()
    because = (
        f"it finds the rate {rate:g} and batches of {size:g}; with momentum it reaches {100 * recipe:.1f} % at that "
        f"rate and {100 * cut:.1f} % at a tenth of it, the default recipe {100 * default:.1f} %",
        f"它找到学习率 {rate:g}、batch {size:g}；直接加动量得 {100 * recipe:.1f}%，同时把学习率降到十分之一得 "
        f"{100 * cut:.1f}%；默认配方为 {100 * default:.1f}%",
    )
    if default - recipe <= THRESHOLDS["below"]:
        return holds(because)
    if default - cut <= THRESHOLDS["below"]:
        return only_if(("the rate is cut when momentum comes in", "加动量时把学习率调小"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    labels = {
        "the recipe": (RED, say("the notes' recipe", "笔记的步骤")),
        "the recipe, rate cut": (BLUE, say("rate cut for momentum", "加动量时降学习率")),
        "default": (GREY, say("default (Adam)", "默认（Adam）")),
    }
    for name, (colour, label) in labels.items():
        accuracies = [each[f"accuracy by {name}"] for each in runs]
        typical = accuracies.index(median_low(accuracies))
        for index, each in enumerate(runs):
            curve = each["curves"][name]
            text = f"{label}\n{100 * accuracies[index]:.1f} %" if index == typical else "_"
            axes.plot(range(1, len(curve) + 1), curve, color=colour, alpha=0.7, lw=1.3, label=text)
    before = runs[0]["epochs before"]
    axes.axvline(before, color=GREY, ls=":", lw=1)
    axes.text(before - 0.2, 0.02, say("a tenth of the rate", "学习率降到十分之一"),
              transform=axes.get_xaxis_transform(), ha="right", color=GREY)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(range(0, before + 5, 4))
    panel(axes, "", say("epoch", "轮"), say("training loss", "训练损失"))
    label_ends(axes, 2.4)
