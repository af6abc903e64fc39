"""A maximum inside the recursion of Adam's v lets the rates only fall and so makes Adam converge, but they get too low.

Notes:    003, lines 141-145: v ← max(β₂ v + (1 − β₂) g², v); 000, line 353, has AMSGrad's v̂ ← max(v̂, v), which is
          another rule.
Run:      the counterexample of Reddi, Kale and Kumar (2018): slopes 3, −1, −1, 3, … on [−1, 1], whose minimum is −1,
          with β₁ = 0, β₂ = 0.1 and the rate 0.5/√t; and 200 weights with gradients from N(0, 1), β₂ = 0.999, where v
          should be 1. Adam, AMSGrad and the maximum inside.
Number:   x after 3 000 steps; v after 5 000.
Decided:  holds if Adam ends above 0, the maximum inside below −0.9, and its v above 2; fails else.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin

CHINESE = "在 Adam 二阶动量的递推里取最大值，学习率只降不升，Adam 因此收敛，但后期学习率会过低。"
SEEDS = 3
THRESHOLDS = {"wrong side": 0.0, "arrived": -0.9, "too large v": 2.0}
QUICK = {"steps": 600, "noise_steps": 1000, "weights": 20, "beta2": 0.99}
RULES: dict[str, dict[str, Any]] = {"Adam": {}, "AMSGrad": {"amsgrad": True}, "inside": {"monotone": True}}


def run(
    impl: Implementation,
    seed: int,
    steps: int = 3000,
    noise_steps: int = 5000,
    weights: int = 200,
    beta2: float = 0.999,
) -> dict[str, Any]:
    found: dict[str, Any] = {"x": {}, "v": {}}
    for name, options in RULES.items():
        found["x"][name] = counterexample(impl, options, steps)
        found["v"][name] = noise(impl, options, seed, noise_steps, weights, beta2)
        found[f"x of {name}"] = found["x"][name][-1]
        found[f"v of {name}"] = found["v"][name][-1]
    return found


def counterexample(impl: Implementation, options: dict[str, Any], steps: int) -> list[float]:
    """x after every tenth step."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = impl.optimizer("Adam", [x], betas=(0.0, 0.1), **options)
    seen = []
    for t in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = 0.5 / t**0.5
        x.grad = torch.full_like(x, 3.0 if t % 3 == 1 else -1.0)
        optimizer.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
        if t % 10 == 0:
            seen.append(x.item())
    return seen


def noise(
    impl: Implementation, options: dict[str, Any], seed: int, steps: int, weights: int, beta2: float
) -> list[float]:
    """The mean of what the root is taken of, bias-corrected, after every 50th step."""
    begin(seed)
    w = torch.zeros(weights, dtype=torch.float64, requires_grad=True)
    optimizer = impl.optimizer("Adam", [w], betas=(0.9, beta2), **options)
    seen = []
    for t in range(1, steps + 1):
        w.grad = torch.randn_like(w)
        optimizer.step()
        if t % 50 == 0:
            state = optimizer.state[w]
            v = state["max_exp_avg_sq" if "amsgrad" in options else "exp_avg_sq"]
            seen.append(v.mean().item() / (1 - beta2**t))
    return seen


def decide(numbers: Numbers) -> Verdict:
    because = (
        f"Adam's x ends at {numbers['x of Adam']:+.2f}, with the maximum inside at {numbers['x of inside']:+.2f}, as "
        f"with AMSGrad; but under unit noise v, which should be 1, is {numbers['v of inside']:.1f} (AMSGrad's "
        f"{numbers['v of AMSGrad']:.2f})",
        f"Adam 的 x 停在 {numbers['x of Adam']:+.2f}，递推内取最大值的停在 {numbers['x of inside']:+.2f}（AMSGrad "
        f"亦然）；但在单位噪声下本应为 1 的 v 涨到 {numbers['v of inside']:.1f}（AMSGrad 为 "
        f"{numbers['v of AMSGrad']:.2f}）",
    )
    right = (
        numbers["x of Adam"] > THRESHOLDS["wrong side"]
        and numbers["x of inside"] < THRESHOLDS["arrived"]
        and numbers["v of inside"] > THRESHOLDS["too large v"]
    )
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2)
    names = {"Adam": "Adam", "AMSGrad": "AMSGrad", "inside": say("max inside", "递推内取 max")}
    colours = {"Adam": RED, "AMSGrad": BLUE, "inside": GREEN}
    for name, x in runs[0]["x"].items():
        left.plot(range(10, 10 * len(x) + 1, 10), x, color=colours[name], label=names[name])
        v = runs[0]["v"][name]
        right.plot(range(50, 50 * len(v) + 1, 50), v, color=colours[name], label=names[name])
    panel(left, say("Counterexample, minimum at −1", "反例，最小值在 −1"), say("step", "步"), "x")
    panel(
        right, say("Unit noise, where v should be 1", "单位噪声，v 应为 1"), say("step", "步"),
        say("v, mean of 200 weights", "v（200 个权重的平均）"),
    )  # fmt: skip
    right.set_ylim(bottom=0)
    for axes in (left, right):
        label_ends(axes)
