"""In σ(w x + b) the weight changes how steep the curve is, and the bias shifts it.

Notes:    001, lines 462-472.
Run:      a neuron of one input with w = 0.5, 1, 2, 5 and b = −2, 0, 2, its slope by backpropagation.
Number:   how far the greatest slope is from w/4, and the place where the output is 1/2 from −b/w; how far that place
          moves when w alone changes.
Decided:  holds if the first two are below 1e-6 for all; fails else.
"""

from typing import Any

import torch

from zoo.claims.drawing import COLOURS, Figure, key, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation

CHINESE = "在 σ(w x + b) 中，权重 w 改变曲线的陡度，偏置 b 平移曲线。"
SEEDS = 1  # nothing is random
THRESHOLDS = {"exact": 1e-6}
QUICK: dict[str, Any] = {}
WEIGHTS, BIASES = (0.5, 1.0, 2.0, 5.0), (-2.0, 0.0, 2.0)


def run(impl: Implementation, seed: int) -> dict[str, Any]:
    slope_off, place_off, curves, places = 0.0, 0.0, {}, {}
    for w in WEIGHTS:
        for b in BIASES:
            unit, sigmoid = impl.nn.Linear(1, 1).double(), impl.nn.Sigmoid()
            with torch.no_grad():
                unit.weight.fill_(w), unit.bias.fill_(b)
            x = torch.linspace(-8, 8, 1601, dtype=torch.float64)[:, None].requires_grad_()
            y = sigmoid(unit(x))
            (slope,) = torch.autograd.grad(y.sum(), x)
            steepest = slope.argmax()
            slope_off = max(slope_off, abs(slope.max().item() - w / 4))
            places[w, b] = x[steepest].item()  # where the output is 1/2, too
            place_off = max(place_off, abs(y[steepest].item() - 0.5), abs(places[w, b] + b / w))
            curves[f"{w:g} {b:g}"] = y[::20, 0].tolist()
    return {
        "slope off w/4": slope_off,
        "place off −b/w": place_off,
        "moved by w, at b = 2": abs(places[0.5, 2.0] - places[5.0, 2.0]),
        "moved by w, at b = 0": abs(places[0.5, 0.0] - places[5.0, 0.0]),
        "curves": curves,
    }


def decide(numbers: Numbers) -> Verdict:
    slope, place, moved, still = numbers.values()
    because = (
        f"the steepest slope is w/4 to {slope:.0e} whatever b is, at −b/w to {place:.0e}; so at b = 2 a change of w "
        f"from 0.5 to 5 shifts the curve too, by {moved:.1f} (at b = 0 by {still:.1g})",
        f"不论 b 取何值，最大斜率都是 w/4（误差 {slope:.0e}），位于 −b/w（误差 {place:.0e}）；所以 b = 2 时，w 从 0.5 "
        f"变到 5 也会使曲线平移 {moved:.1f}（b = 0 时为 {still:.1g}）",
    )
    return holds(because) if max(slope, place) < THRESHOLDS["exact"] else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, middle, right = figure.subplots(1, 3, sharey=True)
    x = torch.linspace(-8, 8, 1601)[::20].tolist()
    for axes, pairs, title in (
        (left, [(w, 0.0) for w in WEIGHTS], say("w changes, b = 0", "改变 w，b = 0")),
        (middle, [(1.0, b) for b in BIASES], say("b changes, w = 1", "改变 b，w = 1")),
        (right, [(w, 2.0) for w in WEIGHTS], say("w changes, b = 2", "改变 w，b = 2")),
    ):
        for (w, b), colour in zip(pairs, COLOURS, strict=False):
            axes.plot(x, runs[0]["curves"][f"{w:g} {b:g}"], color=colour)
        shown = [f"b = {b:g}".replace("-", "−") if axes is middle else f"w = {w:g}" for w, b in pairs]
        key(axes, list(zip(shown, COLOURS, strict=False)), 0.99, 0.4)
        axes.set_xlim(-8, 8)
        panel(axes, title, "x")
    left.set_ylabel(say("output", "输出"))
