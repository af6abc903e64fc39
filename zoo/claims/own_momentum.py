"""The author's own momentum formula, v = α M − ε (1 + 1/|∂L/∂w|), takes a weight to the minimum.

Notes:    003, lines 119-126, "not tested yet": v(t) = α M(t−1) − ε (1 + 1/|∂L/∂w|), w += v(t), M(t) = v(t) / α.
Run:      L = w²/2 from three starts, 2 000 steps with ε = 0.001, α = 0.9: as it stands, in which α M(t−1) is v(t−1);
          with the sign of the gradient put in; with the sign and a velocity that decays, v = 0.9 v − …; and the heavy
          ball.
Number:   the greatest |w| of the last 100 steps.
Decided:  it has arrived if that is below 0.01. Holds if it does as it stands, holds only if mended where a mended one
          does.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, PURPLE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin

CHINESE = "笔记作者自己的动量公式 v = α M − ε (1 + 1/|∂L/∂w|) 能让权重到达最小值（“尚未测试”）。"
SEEDS = 3
THRESHOLDS = {"arrived": 0.01}
QUICK: dict[str, Any] = {}
READINGS = ("as it stands", "with the sign", "with the sign and decay")
EPSILON, ALPHA = 0.001, 0.9


class OwnMomentum(torch.optim.Optimizer):
    """v ← keep · v − ε s (1 + 1/|g|),  w ← w + v,  with s = 1 or sign(g)."""

    def __init__(self, params: Any, epsilon: float, signed: bool, keep: float) -> None:
        super().__init__(params, {"epsilon": epsilon, "signed": signed, "keep": keep})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for w in group["params"]:
                v = self.state[w].setdefault("velocity", torch.zeros_like(w))
                push = 1 + 1 / w.grad.abs()
                v.mul_(group["keep"]).sub_(group["epsilon"] * (w.grad.sign() * push if group["signed"] else push))
                w.add_(v)


def run(impl: Implementation, seed: int, steps: int = 2000) -> dict[str, Any]:
    begin(seed)
    start = 1 + torch.rand(1, dtype=torch.float64)
    found: dict[str, Any] = {"paths": {}}
    for name in (*READINGS, "heavy ball"):
        w = start.clone().requires_grad_()
        optimizer: Any
        if name == "heavy ball":
            optimizer = impl.optimizer("SGD", [w], lr=0.01, momentum=ALPHA)
        else:
            optimizer = OwnMomentum([w], EPSILON, "sign" in name, ALPHA if "decay" in name else 1.0)
        path = [w.item()]
        for _ in range(steps):
            w.grad = w.detach().clone()
            optimizer.step()
            path.append(w.item())
        found[name] = max(abs(value) for value in path[-100:])
        found["paths"][name] = path
    return found


def decide(numbers: Numbers) -> Verdict:
    ends = [f"{numbers[name]:.2g}" for name in (*READINGS, "heavy ball")]
    because = (
        f"it does not know which way is down and ends {ends[0]} away; with the gradient's sign it is still {ends[1]} "
        f"away, with decay too {ends[2]}, since 1/|g| pushes hardest at the minimum (heavy ball: {float(ends[3]):.0e})",
        f"公式不含梯度的方向，最后离最小值 {ends[0]}；补上符号仍差 {ends[1]}，再加衰减仍差 {ends[2]}，因为 1/|g| "
        f"恰在最小值处推力最大（重球法：{float(ends[3]):.0e}）",
    )
    arrived = [name for name in READINGS if numbers[name] < THRESHOLDS["arrived"]]
    if READINGS[0] in arrived:
        return holds(because)
    if arrived:
        return only_if(
            (f"it is mended: {arrived[0]}", "补上梯度的符号" + ("和衰减" if "decay" in arrived[0] else "")), because
        )
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    names = {
        "as it stands": (say("as it stands", "原公式"), RED),
        "with the sign": (say("with the\ngradient's sign", "补上梯度符号"), PURPLE),
        "with the sign and decay": (say("with sign\nand decay", "补上符号与衰减"), BLUE),
        "heavy ball": (say("heavy ball", "重球法"), GREEN),
    }
    for name, (label, colour) in names.items():
        axes.plot([abs(value) for value in runs[0]["paths"][name]], color=colour, label=label, lw=1.1)
    axes.set_yscale("log")
    axes.set_ylim(1e-9, 1e6)
    panel(axes, "", say("step", "步"), say("distance from the minimum", "与最小值的距离"))
    label_ends(axes, 2.4)
