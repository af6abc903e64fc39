"""Full-batch gradient descent finds the global optimum; stochastic gradient descent is less accurate.

Notes:    001, lines 408-411 and 426-428; 004, lines 86-88.
Run:      (a) XOR by a network 2-2-1 with tanh, full batches, 30 starts a seed, 2 000 steps at the rate 0.5; (b) a
          perceptron 64-32-10 on 200 digits, 20 passes with batches of 200 (all), 20 and 1, each at the best of its
          rates.
Number:   the share of starts that are stuck: a loss above 0.1 that fell by less than 1 % in the last fifth; test
          accuracy.
Decided:  holds if none is stuck and single examples are less accurate than full batches by 0.01; fails if any is stuck.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, bars, middle
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, accuracy, begin, digits, perceptron, step, train

CHINESE = "批量梯度下降能到达全局最优；随机梯度下降准确率更低。"
SEEDS = 3
THRESHOLDS = {"stuck": 0.0, "less accurate": 0.01}
QUICK = {"steps": 800, "examples": 40, "passes": 8}
STARTS = 30
RATES = {"full": (0.3, 1.0, 3.0), "mini": (0.1, 0.3, 1.0), "single": (0.01, 0.03)}


def run(impl: Implementation, seed: int, steps: int = 2000, examples: int = 200, passes: int = 20) -> dict[str, Any]:
    losses, before = xor(impl, seed, steps)
    stuck = (losses > 0.1) & (losses > 0.99 * before)
    found: dict[str, Any] = {"stuck": stuck.double().mean().item(), "losses": losses.tolist()}
    data, criterion = digits().first(examples), impl.nn.CrossEntropyLoss()
    for name, size in (("full", examples), ("mini", 20), ("single", 1)):
        reached = []
        for rate in RATES[name]:
            begin(seed, 1)
            network = perceptron(impl.nn, [64, 32, 10])
            optimizer = impl.optimizer("SGD", network, lr=rate)
            train(network, criterion, optimizer, data.x, data.y, size, passes * -(-examples // size))
            reached.append(accuracy(network, data.test_x, data.test_y))
        found[f"accuracy, {name}"] = max(reached)
    return found


def xor(impl: Implementation, seed: int, steps: int) -> tuple[Tensor, Tensor]:
    """The losses (STARTS,) at the end, and after four fifths, of as many networks side by side.

    A convolution over one position whose groups are the networks is a linear layer of each.
    """
    begin(seed)
    nn = impl.nn
    network = torch.nn.Sequential(
        nn.Conv1d(2 * STARTS, 2 * STARTS, 1, groups=STARTS), nn.Tanh(), nn.Conv1d(2 * STARTS, STARTS, 1, groups=STARTS)
    )
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    x = corners.repeat(1, STARTS)[:, :, None]
    target = (corners.prod(1) < 0).float()[:, None].expand(4, STARTS)
    criterion = nn.BCEWithLogitsLoss(reduction="none")
    optimizer = impl.optimizer("SGD", network, lr=0.5)

    def losses() -> Tensor:
        return criterion(network(x)[:, :, 0], target).mean(0)

    for done in range(steps):
        if done == steps * 4 // 5:
            before = losses().detach()
        step(optimizer, lambda: losses().sum())
    return losses().detach(), before


def decide(numbers: Numbers) -> Verdict:
    full, single = numbers["accuracy, full"], numbers["accuracy, single"]
    because = (
        f"on XOR {100 * numbers['stuck']:.0f} % of the starts end in a local minimum, and on digits single examples "
        f"reach {100 * single:.1f} %, full batches {100 * full:.1f} % with as many passes",
        f"XOR 上 {100 * numbers['stuck']:.0f}% 的初始点停在局部极小值；手写数字同样遍数下，逐样本达到 "
        f"{100 * single:.1f}%，批量为 {100 * full:.1f}%",
    )
    right = numbers["stuck"] <= THRESHOLDS["stuck"] and full - single >= THRESHOLDS["less accurate"]
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    ends = [loss for each in runs for loss in each["losses"]]
    edges = torch.logspace(-4, 0, 25).tolist()
    stuck = [loss for loss in ends if loss > 0.1]
    left.hist([loss for loss in ends if loss <= 0.1], edges, color=GREEN)
    left.hist(stuck, edges, color=RED)
    left.set_xscale("log")
    left.set_title(say(f"XOR from {len(ends)} starts, full batches", f"XOR，{len(ends)} 个初始点，全批量"))
    left.set_xlabel(say("loss at the end", "最终损失"))
    left.set_ylabel(say("starts", "个数"))
    left.annotate(
        say(f"{len(stuck)} stuck", f"{len(stuck)} 个卡住"), (0.3, left.get_ylim()[1]), color=RED, ha="center", va="top"
    )
    names = {
        "full": say("all 200", "全部 200 个"),
        "mini": say("batches of 20", "batch 20"),
        "single": say("single", "逐个样本"),
    }
    values = [100 * middle(runs, f"accuracy, {name}") for name in names]
    bars(right, list(names.values()), values, [RED, BLUE, BLUE], "{:.1f} %")
    right.set_title(say("Digits, 20 passes: test accuracy", "手写数字，20 遍：测试准确率"))
    right.set_xlim(0, 118)
    right.set_xticks([0, 50, 100])
