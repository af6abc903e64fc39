"""The gradient of a mini-batch is unbiased, and its variance falls as 1/b.

Notes:    000, lines 262-284.
Run:      a perceptron 64-32-10 before training on all 1 437 digits; 400 batches of each of the sizes 1, 4, 16, 64 and
          256, drawn with replacement; and 2 000 of 4 through the same network with batch norm.
Number:   the squared bias, that is of the mean over the draws, over what chance alone leaves; the slope of the variance
          over b on logarithmic axes.
Decided:  holds if the first is below 3 for every size and the slope within 0.05 of −1; fails else.
"""

from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Sequential

from zoo.claims.drawing import BLUE, GREY, RED, Figure, bars, middle
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin, digits, perceptron

CHINESE = "小批量梯度是无偏估计，方差按 1/b 下降。"
SEEDS = 3
THRESHOLDS = {"bias": 3.0, "slope": 0.05}
QUICK = {"draws": 120, "sizes": (1, 8, 64)}


def run(
    impl: Implementation, seed: int, sizes: tuple[int, ...] = (1, 4, 16, 64, 256), draws: int = 400
) -> dict[str, Any]:
    begin(seed)
    network = perceptron(impl.nn, [64, 32, 10])
    statistics = [spread(impl, network, size, draws) for size in sizes]
    biases, variances = zip(*statistics, strict=True)
    normed = Sequential(impl.nn.Linear(64, 32), impl.nn.BatchNorm1d(32), impl.nn.Tanh(), impl.nn.Linear(32, 10))
    logs = torch.tensor([sizes, variances], dtype=torch.float64).log()
    centred = logs - logs.mean(1, keepdim=True)
    return {
        "slope": (centred[0] @ centred[1] / (centred[0] @ centred[0])).item(),
        "greatest bias": max(biases),
        "bias with batch norm": spread(impl, normed, 4, 5 * draws)[0],
        "sizes": list(sizes),
        "variances": list(variances),
        "biases": list(biases),
    }


def spread(impl: Implementation, network: Module, size: int, draws: int) -> tuple[float, float]:
    """The spread of the gradients of so many batches: ‖mean − g‖² / (variance / draws), and the variance E‖ĝ − g‖², all
    weights together; g is that of all examples."""
    data = digits()
    criterion = impl.nn.CrossEntropyLoss()

    def gradient(rows: Tensor) -> Tensor:
        grads = torch.autograd.grad(criterion(network(data.x[rows]), data.y[rows]), list(network.parameters()))
        return torch.cat([grad.flatten() for grad in grads]).double()

    everything = gradient(torch.arange(len(data.x)))
    each = torch.stack([gradient(torch.randint(len(data.x), (size,))) for _ in range(draws)])
    variance = each.var(0).sum()
    bias = (each.mean(0) - everything).square().sum()
    return (bias / (variance / draws)).item(), variance.item()


def decide(numbers: Numbers) -> Verdict:
    because = (
        f"the variance falls with the power {numbers['slope']:.3f} of b, and the squared bias is at most "
        f"{numbers['greatest bias']:.1f} of what chance leaves; with batch norm, whose loss is no mean over single "
        f"examples, it is {numbers['bias with batch norm']:.0f} times that",
        f"方差随 b 的 {numbers['slope']:.3f} 次幂变化，偏差平方至多是随机误差应有的 {numbers['greatest bias']:.1f} 倍；"
        f"若用批归一化，损失不再是各样本的平均，则达 {numbers['bias with batch norm']:.0f} 倍",
    )
    right = numbers["greatest bias"] < THRESHOLDS["bias"] and abs(numbers["slope"] + 1) < THRESHOLDS["slope"]
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    sizes = runs[0]["sizes"]
    for each in runs:
        left.plot(sizes, each["variances"], "o-", color=BLUE, ms=4, lw=1)
    left.plot(sizes, [runs[0]["variances"][0] / size for size in sizes], color=GREY, ls="--", lw=1)
    left.annotate(say("1/b", "1/b"), (sizes[-2], runs[0]["variances"][0] / sizes[-2]), (-6, -16), color=GREY,
                  textcoords="offset points", ha="right")  # fmt: skip
    left.set(xscale="log", yscale="log")
    left.set_xticks(sizes, [str(size) for size in sizes])
    left.minorticks_off()
    left.set_title(say("Variance of the gradient", "梯度的方差"))
    left.set_xlabel(say("batch size b", "batch 大小 b"))
    names = [f"b = {size}" for size in sizes] + [say("batch norm,\nb = 4", "批归一化\nb = 4")]
    biases = [median(each) for each in zip(*(each["biases"] for each in runs), strict=True)]
    values = [*biases, middle(runs, "bias with batch norm")]
    bars(right, names, values, [BLUE] * len(sizes) + [RED], "{:.1f}")
    right.axvline(1, color=GREY, ls="--", lw=1)
    right.set_title(say("Squared bias, 1: chance alone", "偏差平方（1：纯属随机）"))
    right.set_xscale("log")
    right.set_xlim(0.1, 100)
