"""Squared error is sensitive to outliers and explodes, absolute error jumps over the minimum, smooth L1 cures both.

Notes:    000, line 198; 004, lines 43-62.
Run:      the line 2x + 1 through 100 points of which 5 % lie 20 too high, full-batch gradient descent at the rate 0.1,
          1 000 steps, by each loss; the line with targets times 1 000; a network 1-32-32-1 with ReLU on those targets,
          100 steps.
Number:   the error of the intercept; the range of the slope over the last 100 steps; the highest loss over the first.
Decided:  squared error is sensitive if its intercept is off five times as far as smooth L1's, absolute error jumps if
          its slope moves ten times as far as smooth L1's, a loss explodes where it rises above ten times its first
          value, or is not finite. Holds if all is as claimed in the line and in the network; holds only as far as
          networks go where squared error explodes in the network alone.
Changed:  before, a loss had exploded where it ended above its beginning. Where all ReLUs have died of an explosion the
          bias learns the mean, and it does not.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, GREEN, GREY, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin, fit, perceptron

CHINESE = "均方误差对异常值敏感且会爆炸，绝对误差会跳过最小值，smooth L1 两者兼治。"
SEEDS = 3
THRESHOLDS = {"sensitive": 5.0, "jumps": 10.0, "explodes": 10.0}
QUICK = {"steps": 600}
LOSSES = ("MSELoss", "L1Loss", "SmoothL1Loss")
RATE = 0.1


def run(impl: Implementation, seed: int, steps: int = 1000) -> dict[str, Any]:
    begin(seed)
    x = 2 * torch.rand(100, 1) - 1
    y = 2 * x + 1 + 0.1 * torch.randn(100, 1)
    y[:5] += 20
    found: dict[str, Any] = {"points": [x.flatten().tolist(), y.flatten().tolist()], "lines": {}, "slopes": {}}
    for name in LOSSES:
        begin(seed, 1)
        line = impl.nn.Linear(1, 1)
        _, slopes = descend(impl, line, name, x, y, steps)
        found["lines"][name] = [line.weight.item(), line.bias.item()]
        found["slopes"][name] = slopes[-100:]
        found[f"{name}: intercept off"] = abs(line.bias.item() - 1)
        found[f"{name}: range"] = max(slopes[-100:]) - min(slopes[-100:])
        begin(seed, 1)
        losses, _ = descend(impl, impl.nn.Linear(1, 1), name, x, 1000 * y, 100)
        found[f"{name}: rises in a line"] = rise(losses)
        begin(seed, 1)
        losses, _ = descend(impl, perceptron(impl.nn, [1, 32, 32, 1], "ReLU"), name, x, 1000 * y, 100)
        found[f"{name}: rises in a network"] = rise(losses)
    return found


def rise(losses: list[float]) -> float:
    """The highest loss over the first; infinity if one is not finite."""
    highest = torch.tensor(losses).nan_to_num(torch.inf, torch.inf).max().item()
    return highest / losses[0]


def descend(impl: Implementation, network: Any, loss: str, x: Tensor, y: Tensor, steps: int) -> tuple[list, list]:
    """Losses, and, of a line, its slopes."""
    criterion = getattr(impl.nn, loss)()
    optimizer = impl.optimizer("SGD", network, lr=RATE)
    losses, slopes = [], []
    for _ in range(steps):
        losses.append(fit(optimizer, network, criterion, x, y))
        slopes.append(next(network.parameters()).flatten()[0].item())
    return losses, slopes


def decide(numbers: Numbers) -> Verdict:
    off = [numbers[f"{name}: intercept off"] for name in LOSSES]
    move = [numbers[f"{name}: range"] for name in LOSSES]
    line = [numbers[f"{name}: rises in a line"] > THRESHOLDS["explodes"] for name in LOSSES]
    network = [numbers[f"{name}: rises in a network"] > THRESHOLDS["explodes"] for name in LOSSES]
    because = (
        f"the intercept is off by {off[0]:.2f} with squared, {off[1]:.2f} with absolute error and {off[2]:.2f} with "
        f"smooth L1, and in the end the slope still moves by {move[1]:.0e} with absolute error, {move[2]:.0e} with "
        f"smooth L1; targets times 1 000 make squared error explode in {'the line' if line[0] else 'no line'} and "
        f"{'the network' if network[0] else 'no network'}",
        f"截距误差：均方 {off[0]:.2f}，绝对 {off[1]:.2f}，smooth L1 {off[2]:.2f}；末段斜率摆动：绝对 {move[1]:.0e}，"
        f"smooth L1 {move[2]:.0e}；目标放大 1000 倍时，均方误差{'' if line[0] else '不'}会使直线爆炸，"
        f"{'' if network[0] else '不'}会使网络爆炸",
    )
    # rounding alone moves a slope by 1e-7
    jumps = move[1] >= THRESHOLDS["jumps"] * max(move[2], 1e-6)
    right = off[0] >= THRESHOLDS["sensitive"] * off[2] and jumps and not line[2] and not network[2]
    if right and line[0] and network[0]:
        return holds(because)
    if right and network[0]:
        return only_if(
            ("the model is a network: a line takes large targets", "模型是神经网络（直线拟合不怕大目标值）"), because
        )
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    names = {
        "MSELoss": (say("squared", "均方误差"), RED),
        "L1Loss": (say("absolute", "绝对误差"), BLUE),
        "SmoothL1Loss": ("smooth L1", GREEN),
    }
    first = runs[0]
    left.plot(*first["points"], ".", color=GREY, ms=4)
    for name, (label, colour) in names.items():
        slope, intercept = first["lines"][name]
        dash = "--" if name == "L1Loss" else "-"
        left.plot([-1, 1], [intercept - slope, intercept + slope], color=colour, label=label, lw=2, ls=dash)
        if name != "MSELoss":
            right.plot(first["slopes"][name], color=colour, label=label)
    left.set_ylim(-2, 5)
    panel(left, say("A line; 5 outliers lie 20 above it", "直线拟合；5 个异常点高出 20"))
    panel(right, say("The slope's last 100 steps", "斜率的最后 100 步"))
    label_ends(left)
    label_ends(right)
