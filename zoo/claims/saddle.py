"""Momentum helps to leave saddle points.

Notes:    004, lines 90-96: "the exponentially weighted average of the gradients".
Run:      x² − y² + y⁴/2 at the rate 0.05 from x = −1 and y = 0.01, 0.0001, 0.000001 and 0, by gradient descent and,
          with momentum 0.9, by the heavy ball, Nesterov's form and the moving average, that one at ten times the rate
          too.
Number:   steps until |y| > 0.5, from y = 0.0001.
Decided:  a form helps if it takes at most half of gradient descent's steps. Holds if all three do at one rate; holds
          only if it is one of those that do, where some do.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, ORANGE, PURPLE, RED, Figure, bars, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation

CHINESE = "动量法可以缓解鞍点问题。"
SEEDS = 1  # nothing is random
THRESHOLDS = {"share of gradient descent's steps": 0.5}
QUICK: dict[str, Any] = {}
RATE = 0.05
FORMS: dict[str, dict[str, Any]] = {
    "descent": {"lr": RATE},
    "heavy ball": {"lr": RATE, "momentum": 0.9},
    "Nesterov": {"lr": RATE, "momentum": 0.9, "nesterov": True},
    "moving average": {"lr": RATE, "momentum": 0.9, "moving_average": True},
    "moving average, tenfold rate": {"lr": 10 * RATE, "momentum": 0.9, "moving_average": True},
}
CHINESE_NAMES = {"heavy ball": "重球法", "Nesterov": "Nesterov", "moving average": "滑动平均"}


def run(impl: Implementation, seed: int, most: int = 1000) -> dict[str, Any]:
    found: dict[str, Any] = {"paths": {}}
    for name, options in FORMS.items():
        for y in (1e-2, 1e-4, 1e-6, 0.0):
            path = descend(impl, y, options, most)
            found[f"{name} from {y:g}"] = len(path) - 1 if path[-1] > 0.5 else torch.inf
            if y == 1e-4:
                found["paths"][name] = path
    return found


def descend(impl: Implementation, y: float, options: dict[str, Any], most: int) -> list[float]:
    """|y| at every step, until it is above 0.5."""
    point = torch.tensor([-1.0, y], dtype=torch.float64, requires_grad=True)
    optimizer = impl.optimizer("SGD", [point], **options)
    path = [y]
    while len(path) <= most and path[-1] <= 0.5:
        x, y = point.tolist()
        point.grad = torch.tensor([2 * x, -2 * y + 2 * y**3], dtype=torch.float64)
        optimizer.step()
        path.append(abs(point[1].item()))
    return path


def decide(numbers: Numbers) -> Verdict:
    steps = {name: numbers[f"{name} from 0.0001"] for name in FORMS}
    forms = ("heavy ball", "Nesterov", "moving average")
    helping = [
        name for name in forms if steps[name] <= THRESHOLDS["share of gradient descent's steps"] * steps["descent"]
    ]
    text = ", ".join(f"{count:g}" for count in steps.values())
    because = (
        f"gradient descent, heavy ball, Nesterov, moving average, and this with tenfold rate leave after {text} steps; "
        "from exactly on the axis none ever does",
        f"梯度下降、重球、Nesterov、滑动平均、学习率十倍的滑动平均分别用 {text} 步离开；恰好在轴线上时谁也离不开",
    )
    if len(helping) == 3:
        return holds(because)
    if helping:
        return only_if(
            (
                f"the form is {' or '.join(helping)}, or the moving average's rate is raised tenfold",
                f"采用{'、'.join(CHINESE_NAMES[name] for name in helping)}，或把滑动平均的学习率调大十倍",
            ),
            because,
        )
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    names = {
        "descent": (say("gradient descent", "梯度下降"), RED, "-"),
        "heavy ball": (say("heavy ball", "重球法"), BLUE, "-"),
        "Nesterov": ("Nesterov", GREEN, "-"),
        "moving average": (say("moving average", "滑动平均"), PURPLE, "-"),
        "moving average, tenfold rate": (say("moving average,\n10 × rate", "滑动平均\n学习率 ×10"), ORANGE, "--"),
    }
    for name, (_, colour, dash) in names.items():
        left.plot(runs[0]["paths"][name], color=colour, ls=dash)
    left.set_yscale("log")
    panel(left, say("|y|, from the axis that leads to the saddle", "|y|：与通向鞍点的轴线的距离"), say("step", "步"))
    steps = [runs[0][f"{name} from 0.0001"] for name in names]
    labels, colours, _ = zip(*names.values(), strict=True)
    bars(right, labels, steps, colours, "{:.0f}")
    right.set_title(say("Steps until |y| > 0.5", "|y| > 0.5 所需步数"))
