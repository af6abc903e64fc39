"""The learning rates of RMSprop, Adagrad and AMSGrad only fall.

Notes:    000, lines 320, 336 and 356; 004, line 100.
Run:      a perceptron 64-32-10 on the digits, 800 steps with batches of 32, by each of the three.
Number:   the share of steps at which the factor 1/√v of a weight rose, over all weights that have a gradient; AMSGrad's
          once as the notes write it and once with the bias correction that torch and the paper's Adam have.
Decided:  a rate falls if it rose in less than a thousandth of the steps. Holds if all four fall, holds only if it is
          one of those that do where some do.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, GREEN, PURPLE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin, digits, perceptron, training

CHINESE = "RMSprop、Adagrad、AMSGrad 的学习率只会越来越小。"
SEEDS = 3
THRESHOLDS = {"rose": 0.001}
QUICK = {"steps": 150}
RULES: dict[str, tuple[str, dict[str, Any], str]] = {  # optimizer, options, where v is
    "RMSprop": ("RMSprop", {"lr": 0.001}, "square_avg"),
    "Adagrad": ("Adagrad", {"lr": 0.01}, "sum"),
    "AMSGrad": ("Adam", {"lr": 0.001, "amsgrad": True}, "max_exp_avg_sq"),
}
CORRECTED = "AMSGrad with bias correction"


def run(impl: Implementation, seed: int, steps: int = 800) -> dict[str, Any]:
    data = digits()
    found: dict[str, Any] = {"curves": {}}
    for name, (rule, options, key) in RULES.items():
        begin(seed)
        network = perceptron(impl.nn, [64, 32, 10])
        optimizer = impl.optimizer(rule, network, **options)
        criterion = impl.nn.CrossEntropyLoss()
        seen = []
        for _ in training(network, criterion, optimizer, data.x, data.y, 32, steps):
            seen.append(torch.cat([optimizer.state[p][key].flatten() for p in network.parameters()]))
        v = torch.stack(seen).double()
        v = v[:, v[0] > 0]  # some pixels are never set
        found[name], found["curves"][name] = rises(v)
        if name == "AMSGrad":
            t = torch.arange(1, steps + 1, dtype=torch.float64)[:, None]
            found[CORRECTED], found["curves"][CORRECTED] = rises(v / (1 - 0.999**t))
    return found


def rises(v: Tensor) -> tuple[float, list[float]]:
    """At which share of the steps 1/√v rose, of all weights, by more than rounding; and the curve of the 300th."""
    rate = v.rsqrt()
    rose = (rate[1:] > rate[:-1] * (1 + 1e-6)).double().mean().item()
    return rose, rate[:, 300].tolist()


def decide(numbers: Numbers) -> Verdict:
    fall = [name for name in (*RULES, CORRECTED) if numbers[name] < THRESHOLDS["rose"]]
    text = [f"{100 * numbers[name]:.3g} %" for name in (*RULES, CORRECTED)]
    because = (
        f"the rate of a weight rose in {text[0]} of RMSprop's steps, {text[1]} of Adagrad's and {text[2]} of "
        f"AMSGrad's, but {text[3]} with bias correction",
        f"单个权重的学习率上升的步数占比：RMSprop {text[0]}，Adagrad {text[1]}，AMSGrad {text[2]}，加上偏差修正后 "
        f"{text[3]}",
    )
    if len(fall) == 4:
        return holds(because)
    if fall:
        plain = [
            name + (" without bias correction" if name == "AMSGrad" and CORRECTED not in fall else "") for name in fall
        ]
        chinese = [name + ("（不做偏差修正）" if name == "AMSGrad" and CORRECTED not in fall else "") for name in fall]
        return only_if((f"it is {' or '.join(plain)}", f"算法是 {' 或 '.join(chinese)}"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    colours = {"RMSprop": RED, "Adagrad": BLUE, "AMSGrad": GREEN, CORRECTED: PURPLE}
    for name, curve in runs[0]["curves"].items():
        rose = 100 * runs[0][name]
        label = say(name, name.replace(CORRECTED, "AMSGrad，偏差修正")).replace(
            " with bias correction", ",\nbias-corrected"
        )
        axes.plot(
            range(1, len(curve) + 1), curve, color=colours[name], lw=1.4,
            label=label + "\n" + say(f"rose in {rose:.2g} % of steps", f"{rose:.2g}% 的步上升"),
        )  # fmt: skip
    axes.set(yscale="log", xscale="log")
    panel(axes, "", say("step", "步"), say("factor 1/√v of the rate of one weight", "某个权重的学习率因子 1/√v"))
    label_ends(axes, 3.2)
