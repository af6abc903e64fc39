"""Inputs must be normalised, and shuffled.

Notes:    003, lines 247-249.
Run:      a perceptron 64-32-10 on 600 digits, SGD in batches of 32 for 5 epochs: pixels from 0 to 255, from 0 to 1, and
          standardised, at the rate 0.1 and at the best of 0.0001 … 1; and standardised ones sorted by class,
          unshuffled.
Number:   test accuracy.
Decided:  0.05 more matters. Holds if standardised beats 0 to 255 at the tuned rate too, and shuffled beats sorted;
          holds only if the rate is kept where it beats it there alone.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, bars, middle
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, fit, perceptron, train

CHINESE = "输入数据要做归一化，并且要打乱（shuffle）。"
SEEDS = 3
THRESHOLDS = {"matters": 0.05}
QUICK = {"rates": (0.001, 0.1)}
HEIGHT = 2.2
EXAMPLES, EPOCHS, KEPT = 600, 5, 0.1


def run(impl: Implementation, seed: int, rates: tuple[float, ...] = (0.0001, 0.001, 0.01, 0.1, 1.0)) -> dict[str, Any]:
    data, criterion = digits().first(EXAMPLES), impl.nn.CrossEntropyLoss()
    mean, deviation = data.x.mean(), data.x.std()
    scaled = {
        "0 to 255": data._replace(x=255 * data.x, test_x=255 * data.test_x),
        "0 to 1": data,
        "standardised": data._replace(x=(data.x - mean) / deviation, test_x=(data.test_x - mean) / deviation),
    }
    each = -(-EXAMPLES // 32)

    def learn(name: str, rate: float, ordered: bool = False) -> float:
        begin(seed)
        of = scaled[name]
        network = perceptron(impl.nn, [64, 32, 10])
        optimizer = impl.optimizer("SGD", network, lr=rate)
        if ordered:
            for _ in range(EPOCHS):
                for rows in torch.argsort(of.y, stable=True).split(32):
                    fit(optimizer, network, criterion, of.x[rows], of.y[rows])
        else:
            train(network, criterion, optimizer, of.x, of.y, 32, EPOCHS * each)
        return accuracy(network, of.test_x, of.test_y)

    found: dict[str, Any] = {}
    for name in scaled:
        by_rate = {rate: learn(name, rate) for rate in rates}
        found[f"{name}, one rate"] = by_rate[KEPT]
        found[f"{name}, tuned"] = max(by_rate.values())
    return found | {"sorted": learn("standardised", KEPT, ordered=True)}


def decide(numbers: Numbers) -> Verdict:
    kept, tuned = (
        [numbers[f"{name}, {how}"] for name in ("0 to 255", "0 to 1", "standardised")] for how in ("one rate", "tuned")
    )
    because = (
        f"pixels of 0 to 255, 0 to 1 and standardised reach {kept[0]:.2f}, {kept[1]:.2f}, {kept[2]:.2f} at one rate "
        f"and {tuned[0]:.2f}, {tuned[1]:.2f}, {tuned[2]:.2f} at tuned ones; sorted by class {numbers['sorted']:.2f}",
        f"像素取 0–255、0–1、标准化时，同一学习率得 {kept[0]:.2f}、{kept[1]:.2f}、{kept[2]:.2f}，各自调学习率得 "
        f"{tuned[0]:.2f}、{tuned[1]:.2f}、{tuned[2]:.2f}；按类别排序则为 {numbers['sorted']:.2f}",
    )
    matters = THRESHOLDS["matters"]
    if kept[2] - numbers["sorted"] < matters or kept[2] - kept[0] < matters:
        return fails(because)
    if tuned[2] - tuned[0] >= matters:
        return holds(because)
    return only_if(("the rate is kept; shuffling matters in any case", "学习率固定不变（打乱则始终必要）"), because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, centre, right = figure.subplots(1, 3, width_ratios=(1, 1, 1), sharex=True)
    names = {
        "0 to 255": say("0 to 255", "0–255"),
        "0 to 1": say("0 to 1", "0–1"),
        "standardised": say("standardised", "标准化"),
    }

    for axes, how, title in (
        (left, "one rate", say("Rate 0.1", "学习率 0.1")),
        (centre, "tuned", say("Rate tuned", "各自调学习率")),
    ):
        values = [middle(runs, f"{name}, {how}") for name in names]
        bars(axes, list(names.values()), values, [RED, BLUE, GREEN])
        axes.set_title(title)
    centre.set_yticklabels([])
    orders = {"sorted": say("sorted", "按类排序"), "standardised, one rate": say("shuffled", "打乱")}
    bars(right, list(orders.values()), [middle(runs, name) for name in orders], [RED, GREEN])
    right.set_ylim(2.5, -0.5)
    right.set_title(say("Order of the data", "数据的次序"))
    for axes in (left, centre, right):
        axes.set_xlim(0, 1.25)
        axes.set_xticks([0, 0.5, 1])
    centre.set_xlabel(say("test accuracy", "测试准确率"))
