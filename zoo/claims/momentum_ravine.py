"""Momentum is faster than gradient descent in a ravine, and oscillates less.

Notes:    003, lines 103-111 (the moving average) and 119; 004, line 96.
Run:      (x² + 100 y²) / 2 from (−2, 0.5) by gradient descent and by the heavy ball, Nesterov's form and the moving
          average M ← 0.9 M + 0.1 g, all with momentum 0.9; once at the rate 0.019 for all, just below the greatest at
          which gradient descent converges, once each at the best of 25 rates.
Number:   steps until the height is below 1e-4, and how often y changes its sign on the way.
Decided:  a form is better if it takes at most half of gradient descent's steps and half of its turns. Holds if all
          three are at both; holds only if each has its own rate where they are at that alone.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, GREEN, PURPLE, RED, Figure
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation

CHINESE = "在狭长的山谷里，动量法比梯度下降更快，震荡也更小。"
SEEDS = 1  # nothing is random
THRESHOLDS = {"share of gradient descent's": 0.5, "height": 1e-4}
QUICK = {"rates": 9, "most": 400}
START, STEEP, SAME = (-2.0, 0.5), 100.0, 0.019
FORMS: dict[str, dict[str, Any]] = {
    "descent": {},
    "heavy ball": {"momentum": 0.9},
    "Nesterov": {"momentum": 0.9, "nesterov": True},
    "moving average": {"momentum": 0.9, "moving_average": True},
}
HEIGHT = 4.6


def run(impl: Implementation, seed: int, rates: int = 25, most: int = 600) -> dict[str, Any]:
    grid = torch.logspace(-3, 0, rates, dtype=torch.float64).tolist()
    found: dict[str, Any] = {"paths": {}}
    for name, options in FORMS.items():
        paths = {rate: path(impl, rate, options, most) for rate in [SAME, *grid]}
        own = min(paths, key=lambda rate: arrival(paths[rate]))
        for which, rate in (("same rate", SAME), ("own rate", own)):
            found[f"{name}, {which}: steps"] = arrival(paths[rate])
            found[f"{name}, {which}: turns"] = turns(paths[rate])
        found[f"{name}: own rate"] = own
        found["paths"][name] = paths[own].tolist()
    return found


def path(impl: Implementation, rate: float, options: dict[str, Any], most: int) -> Tensor:
    """The points on the way (steps + 1, 2), until it has arrived, or fled."""
    scales = torch.tensor([1.0, STEEP], dtype=torch.float64)
    point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = impl.optimizer("SGD", [point], lr=rate, **options)
    points = [point.detach().clone()]
    for _ in range(most):
        point.grad = scales * point.detach()
        optimizer.step()
        points.append(point.detach().clone())
        if not THRESHOLDS["height"] <= height(points[-1]) < 1e6:
            break
    return torch.stack(points)


def height(points: Tensor) -> Tensor:
    return 0.5 * (points[..., 0] ** 2 + STEEP * points[..., 1] ** 2)


def arrival(points: Tensor) -> float:
    """Steps until it is low enough; infinity if it never is."""
    return len(points) - 1 if height(points[-1]) < THRESHOLDS["height"] else torch.inf


def turns(points: Tensor) -> int:
    """How often the path crosses the bottom of the ravine."""
    y = points[:, 1]
    return int((y[1:] * y[:-1] < 0).sum())


def decide(numbers: Numbers) -> Verdict:
    share = THRESHOLDS["share of gradient descent's"]

    def better(form: str, which: str) -> bool:
        return all(
            numbers[f"{form}, {which}: {what}"] <= share * numbers[f"descent, {which}: {what}"]
            for what in ("steps", "turns")
        )

    forms = [form for form in FORMS if form != "descent"]
    same = [form for form in forms if better(form, "same rate")]
    own = [form for form in forms if better(form, "own rate")]

    def text(what: str, which: str) -> str:
        return ", ".join(f"{numbers[f'{form}, {which}: {what}']:g}" for form in FORMS)

    because = (
        f"gradient descent, heavy ball, Nesterov and moving average take {text('steps', 'own rate')} steps at their "
        f"own rates with {text('turns', 'own rate')} turns, and {text('steps', 'same rate')} steps at one rate for all",
        f"梯度下降、重球、Nesterov、滑动平均各用最佳学习率时分别走 {text('steps', 'own rate')} 步，来回 "
        f"{text('turns', 'own rate')} 次；共用一个学习率时走 {text('steps', 'same rate')} 步",
    )
    if len(own) < len(forms):
        return fails(because)
    if len(same) < len(forms):
        return only_if(("each form has a rate of its own", "每种形式各用自己的学习率"), because)
    return holds(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    names = {
        "descent": say("gradient descent", "梯度下降"),
        "heavy ball": say("heavy ball", "重球法"),
        "Nesterov": "Nesterov",
        "moving average": say("moving average", "滑动平均"),
    }
    x, y = torch.meshgrid(torch.linspace(-2.3, 1.6, 120), torch.linspace(-0.62, 0.62, 120), indexing="xy")
    levels = height(torch.stack([x, y], -1)).log()
    panels = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for axes, (name, points), colour in zip(panels, runs[0]["paths"].items(), (RED, BLUE, GREEN, PURPLE), strict=True):
        axes.contour(x, y, levels, 14, colors="#c9c9c9", linewidths=0.7)
        axes.plot(*zip(*points, strict=True), ".-", color=colour, lw=1.1, ms=4)
        axes.plot(*START, "o", color="black", ms=5)
        axes.plot(0, 0, "*", color="black", ms=10)
        steps, turned = (runs[0][f"{name}, own rate: {what}"] for what in ("steps", "turns"))
        axes.set_title(
            f"{names[name]}, η = {runs[0][f'{name}: own rate']:.2g}\n"
            + say(f"{steps:g} steps, {turned:g} turns", f"{steps:g} 步，来回 {turned:g} 次"),
            color=colour,
        )
        axes.set(xlim=(-2.3, 1.6), ylim=(-0.62, 0.62), xticks=[], yticks=[])
        axes.grid(visible=False)
