"""A loss can be found from the gradient one wants: a − y leads to cross-entropy.

Notes:    003, line 201 and lines 195, 213.
Run:      integrate σ(z) − y over z by sympy, and numerically; integrate softmax(z) − y along ten random paths in five
          dimensions; and around closed loops softmax(z) − y and, as a wish that no loss fulfils, a ⊙ (a − y).
Number:   the greatest distance from the cross-entropy, constants aside; the integral around a loop.
Decided:  holds if the distances are below 1e-6 and the loop of a − y too; fails else.
"""

from typing import Any

import sympy
import torch
from torch import Tensor

from zoo.claims.drawing import BLUE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, begin

CHINESE = "由希望得到的梯度可以反推出损失函数：a − y 推出交叉熵。"
SEEDS = 3
THRESHOLDS = {"distance": 1e-6}
QUICK: dict[str, Any] = {}


def run(impl: Implementation, seed: int, paths: int = 10, points: int = 20001) -> dict[str, Any]:
    begin(seed)
    sigmoid, softmax = impl.nn.Sigmoid(), impl.nn.Softmax(-1)
    bce, ce = impl.nn.BCEWithLogitsLoss(reduction="none"), impl.nn.CrossEntropyLoss(reduction="none")
    z = torch.linspace(-6, 6, points, dtype=torch.float64)
    apart, curves = 0.0, {}
    for y in (0.0, 1.0):
        target = torch.full_like(z, y)
        found = integral(sigmoid(z) - y, z[:, None])
        true = bce(z, target)
        apart = max(apart, (found - (true - true[0])).abs().max().item())
        curves[f"y = {y:g}"] = (found + true[0])[:: points // 100].tolist()
    softmax_apart = loop = wish = 0.0
    for _ in range(paths):
        way = smooth(points, closed=False)
        label = torch.randint(5, (1,))
        wanted = torch.nn.functional.one_hot(label, 5).double()
        found, true = integral(softmax(way) - wanted, way), ce(way, label.expand(points))
        softmax_apart = max(softmax_apart, (found - (true - true[0])).abs().max().item())
        ring = smooth(points, closed=True)
        a = softmax(ring)
        loop = max(loop, abs(integral(a - wanted, ring)[-1].item()))
        wish = max(wish, abs(integral(a * (a - wanted), ring)[-1].item()))
    return {
        "sigmoid: distance": apart,
        "softmax: distance": softmax_apart,
        "sigmoid by sympy: distance": symbolic(),
        "loop of a − y": loop,
        "loop of a (a − y)": wish,
        "curves": curves,
        "z": z[:: points // 100].tolist(),
    }


def integral(field: Tensor, way: Tensor) -> Tensor:
    """∫ field · d way from the first point to each, by the trapezoid rule."""
    field = field.reshape(len(way), -1)
    pieces = (0.5 * (field[1:] + field[:-1]) * way.diff(dim=0)).sum(1)
    return torch.cat([pieces.new_zeros(1), pieces.cumsum(0)])


def smooth(points: int, closed: bool) -> Tensor:
    """A random curve in five dimensions, (points, 5); a closed one ends where it begins."""
    t = torch.linspace(0, 1, points, dtype=torch.float64)[:, None]
    turns = torch.pi * torch.tensor([2.0, 4.0, 6.0] if closed else [0.5, 1.0, 1.5], dtype=torch.float64)
    waves = torch.cat([(turns * t).sin(), (turns * t).cos()], 1)
    return waves @ torch.randn(6, 5, dtype=torch.float64)


def symbolic() -> float:
    """The greatest difference, over a few z and both y, between what sympy integrates and the cross-entropy."""
    z, y = sympy.symbols("z y", real=True)
    found = sympy.integrate(sympy.exp(z) / (1 + sympy.exp(z)) - y, z)  # σ(z) as e^z / (1 + e^z)
    sigma = 1 / (1 + sympy.exp(-z))
    true = -(y * sympy.log(sigma) + (1 - y) * sympy.log(1 - sigma))
    values = [float((found - true).subs({z: at, y: label})) for at in (-3, -1, 0, 2, 4) for label in (0, 1)]
    return max(values) - min(values)


def decide(numbers: Numbers) -> Verdict:
    sigmoid, softmax, sympy_, loop, wish = numbers.values()
    because = (
        f"the integral is the cross-entropy to {max(sigmoid, sympy_):.0e} for sigmoid and {softmax:.0e} for softmax; "
        f"with several outputs it takes a wish without curl: around a loop a − y gives {loop:.0e}, a (a − y) gives "
        f"{wish:.1g}, and so no loss",
        f"积分结果就是交叉熵：sigmoid 误差 {max(sigmoid, sympy_):.0e}，softmax 误差 {softmax:.0e}；"
        f"但多输出时所求梯度必须无旋：绕一圈 a − y 得 {loop:.0e}，a (a − y) 得 {wish:.1g}，后者没有对应的损失",
    )
    return holds(because) if max(sigmoid, softmax, sympy_, loop) < THRESHOLDS["distance"] else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2)
    z = torch.tensor(runs[0]["z"])
    for (name, curve), colour in zip(runs[0]["curves"].items(), (BLUE, RED), strict=True):
        y = float(name[-1])
        left.plot(z, z.sigmoid() - y, color=colour, label=name)
        right.plot(z, curve, color=colour, lw=4, alpha=0.4)
        right.plot(z, torch.nn.functional.softplus(z) - y * z, color=colour, ls="--", lw=1.3, label=name)
    left.axhline(0, color="black", lw=0.7)
    panel(left, say("The gradient one wants: σ(z) − y", "希望的梯度：σ(z) − y"), "z")
    panel(right, say("Its integral; dashed: cross-entropy", "它的积分；虚线为交叉熵"), "z")
    label_ends(left)
    label_ends(right)
