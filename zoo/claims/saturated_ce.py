"""Cross-entropy avoids the slow start that squared error has where sigmoids begin saturated.

Notes:    003, lines 195-199; the neuron is that of Nielsen's book, which they name.
Run:      one neuron that begins at σ(4) = 0.98 and is to say 0; and a perceptron 64-30-10 on 500 digits whose ten
          outputs begin at σ(5) = 0.993, both by squared error and by cross-entropy, with plain SGD in batches of 32.
Number:   test accuracy after 20 epochs, of squared error at the rate at which cross-entropy does best, and at its own
          best rate.
Decided:  holds if cross-entropy is ahead by 0.1 in both, holds only if the rates are the same where it is ahead in that
          one alone.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zoo.claims.drawing import BLUE, RED, SKY, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, fit, perceptron, training

CHINESE = "sigmoid 一开始就饱和时，均方误差起步很慢，交叉熵则不会。"
SEEDS = 3
THRESHOLDS = {"ahead": 0.1}
QUICK = {"examples": 300, "rates": (1.0, 3.0)}
NEURON_RATE, NEURON_EPOCHS = 0.15, 300


def run(
    impl: Implementation,
    seed: int,
    examples: int = 500,
    epochs: int = 20,
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
) -> dict[str, Any]:
    curves = {
        loss: {rate: learn(impl, seed, loss, rate, examples, epochs) for rate in rates}
        for loss in ("cross-entropy", "squared error")
    }
    best = {loss: max(of, key=lambda rate: of[rate][-1]) for loss, of in curves.items()}
    same = best["cross-entropy"]
    shown = {
        "cross-entropy": curves["cross-entropy"][same],
        "same": curves["squared error"][same],
        "own": curves["squared error"][best["squared error"]],
    }
    return {
        "accuracy by cross-entropy": shown["cross-entropy"][-1],
        "accuracy by squared error, same rate": shown["same"][-1],
        "accuracy by squared error, own best rate": shown["own"][-1],
        "rate of cross-entropy": same,
        "own best rate of squared error": best["squared error"],
        "curves": shown,
        "neuron": {loss: neuron(impl, loss) for loss in curves},
    }


def criterion(impl: Implementation, loss: str) -> Any:
    """The loss of the weighted sums z (N, K): the sum over the K outputs, the mean over the N examples."""
    if loss == "cross-entropy":
        bce = impl.nn.BCEWithLogitsLoss()
        return lambda z, target: z.shape[1] * bce(z, target)
    sigmoid, mse = impl.nn.Sigmoid(), impl.nn.MSELoss()
    return lambda z, target: 0.5 * z.shape[1] * mse(sigmoid(z), target)


def neuron(impl: Implementation, loss: str) -> list[float]:
    """What the neuron says before each epoch."""
    unit, of = impl.nn.Linear(1, 1), criterion(impl, loss)
    with torch.no_grad():
        unit.weight.fill_(2.0), unit.bias.fill_(2.0)
    optimizer = impl.optimizer("SGD", unit, lr=NEURON_RATE)
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    said = []
    for _ in range(NEURON_EPOCHS):
        said.append(unit(one).sigmoid().item())
        fit(optimizer, unit, of, one, zero)
    return said


def learn(impl: Implementation, seed: int, loss: str, rate: float, examples: int, epochs: int) -> list[float]:
    """Test accuracy before training and after every epoch."""
    data = digits().first(examples)
    begin(seed)
    network = perceptron(impl.nn, [64, 30, 10], "Sigmoid")
    with torch.no_grad():
        list(network.parameters())[-1].fill_(5.0)
    targets: Tensor = one_hot(data.y, 10).float()
    optimizer = impl.optimizer("SGD", network, lr=rate)
    each = -(-examples // 32)
    curve = [accuracy(network, data.test_x, data.test_y)]
    for done in training(network, criterion(impl, loss), optimizer, data.x, targets, 32, epochs * each):
        if done % each == 0:
            curve.append(accuracy(network, data.test_x, data.test_y))
    return curve


def decide(numbers: Numbers) -> Verdict:
    cross, same, own = list(numbers.values())[:3]
    because = (
        f"accuracy after 20 epochs is {cross:.2f} by cross-entropy, {same:.2f} by squared error at the same rate and "
        f"{own:.2f} at its own best",
        f"20 轮后准确率：交叉熵 {cross:.2f}，均方误差用同一学习率 {same:.2f}，用自己的最佳学习率 {own:.2f}",
    )
    if cross - same < THRESHOLDS["ahead"]:
        return fails(because)
    if cross - own < THRESHOLDS["ahead"]:
        return only_if(("both have the same rate", "两者使用同一学习率"), because)
    return holds(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2)
    names = {"cross-entropy": say("cross-entropy", "交叉熵"), "squared error": say("squared error", "均方误差")}
    for loss, said in runs[0]["neuron"].items():
        left.plot(said, color=BLUE if loss == "cross-entropy" else RED, label=names[loss])
    panel(left, say("One neuron, which is to say 0", "单个神经元，目标为 0"), say("epoch", "轮"), say("output", "输出"))
    left.set_ylim(0, 1)
    first = runs[0]
    labels = {
        "cross-entropy": (f"{names['cross-entropy']}\nη = {first['rate of cross-entropy']:g}", BLUE, "-"),
        "same": (f"{names['squared error']}\nη = {first['rate of cross-entropy']:g}", RED, "-"),
        "own": (f"{names['squared error']}\nη = {first['own best rate of squared error']:g}", SKY, "--"),
    }
    for name, (label, colour, dash) in labels.items():
        for index, each in enumerate(runs):
            right.plot(
                each["curves"][name], color=colour, ls=dash, label=label if index == 0 else "_",
                lw=1.8 if index == 0 else 0.7, alpha=1 if index == 0 else 0.5,
            )  # fmt: skip
    panel(
        right, say("Digits, outputs begin at 0.993", "手写数字，输出从 0.993 开始"), say("epoch", "轮"),
        say("test accuracy", "测试准确率"),
    )  # fmt: skip
    right.set_ylim(0, 1)
    label_ends(left)
    label_ends(right, 2.6)
