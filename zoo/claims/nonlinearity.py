"""Without a nonlinear activation depth adds nothing.

Notes:    000, lines 53 and 77; 001, lines 474-484.
Run:      perceptrons of 0, 1, 2 and 4 hidden layers of 16 units, with no activation and with tanh, on two rings of 300
          points; 400 steps of Adam at 0.01 on all points.
Number:   the accuracy; the greatest difference between the deepest network without activation and the one affine map
          that the product of its weights is, and that product's rank.
Decided:  holds if four layers without activation are within 0.05 of none, that difference is below 1e-4, and tanh
          reaches 0.95; fails else.
"""

from typing import Any

import torch
from sklearn.datasets import make_circles
from torch import Tensor

from zoo.claims.drawing import BLUE, GREY, RED, Figure
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds
from zoo.claims.workbench import Implementation, accuracy, begin, fit, perceptron

CHINESE = "没有非线性激活函数，层数再多也没有用。"
SEEDS = 3
THRESHOLDS = {"within": 0.05, "same map": 1e-4, "tanh": 0.95}
QUICK = {"steps": 150, "depths": (0, 4)}
HEIGHT = 4.0
WIDTH = 16


def run(impl: Implementation, seed: int, depths: tuple[int, ...] = (0, 1, 2, 4), steps: int = 400) -> dict[str, Any]:
    x, y = rings(seed)
    found: dict[str, Any] = {"points": [x.tolist(), y.tolist()], "regions": {}, "depths": list(depths)}
    grid = torch.cartesian_prod(torch.linspace(-1.4, 1.4, 60), torch.linspace(-1.4, 1.4, 60))
    for activation in ("Identity", "Tanh"):
        for depth in depths:
            begin(seed, depth)
            network = perceptron(impl.nn, [2, *[WIDTH] * depth, 2], activation)
            criterion, optimizer = impl.nn.CrossEntropyLoss(), impl.optimizer("Adam", network, lr=0.01)
            for _ in range(steps):
                fit(optimizer, network, criterion, x, y)
            found[f"{activation} {depth}"] = accuracy(network, x, y)
            with torch.no_grad():
                z = network(grid)
            found["regions"][f"{activation} {depth}"] = (z[:, 1] - z[:, 0]).reshape(60, 60).T.sign().tolist()
            if activation == "Identity" and depth == max(depths):
                weight, bias = collapsed(network)
                found["off one affine map"] = (network(x) - (x @ weight.T + bias)).abs().max().item()
                found["rank"] = int(torch.linalg.matrix_rank(weight, rtol=1e-5))
    return found


def rings(seed: int) -> tuple[Tensor, Tensor]:
    x, y = make_circles(300, noise=0.08, factor=0.5, random_state=seed)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


@torch.no_grad()
def collapsed(network: Any) -> tuple[Tensor, Tensor]:
    """W and b of the one map W x + b that layers without activation are: Wₗ … W₁, and what the biases become."""
    weight, bias = torch.eye(2), torch.zeros(2)
    for layer in network:
        if hasattr(layer, "weight"):
            weight, bias = layer.weight @ weight, layer.weight @ bias + layer.bias
    return weight, bias


def decide(numbers: Numbers) -> Verdict:
    deepest = max(int(name.split()[1]) for name in numbers if name.startswith("Identity"))
    flat, deep, curved = (numbers[f"{name}"] for name in ("Identity 0", f"Identity {deepest}", f"Tanh {deepest}"))
    because = (
        f"on the rings {deepest} hidden layers without activation reach {deep:.2f}, none {flat:.2f}, with tanh "
        f"{curved:.2f}; the layers are one matrix of rank {numbers['rank']:.0f} to {numbers['off one affine map']:.0e}",
        f"在双环数据上，{deepest} 个无激活的隐藏层准确率 {deep:.2f}，没有隐藏层 {flat:.2f}，用 tanh 则 {curved:.2f}；"
        f"这些层合起来只是一个秩为 {numbers['rank']:.0f} 的矩阵（误差 {numbers['off one affine map']:.0e}）",
    )
    within, same, reached = THRESHOLDS.values()
    right = abs(deep - flat) <= within and numbers["off one affine map"] < same and curved >= reached
    return holds(because) if right else fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    first = runs[0]
    x, y = (torch.tensor(part) for part in first["points"])
    panels = figure.subplots(2, len(first["depths"]), squeeze=False)
    for row, activation in enumerate(("Identity", "Tanh")):
        for axes, depth in zip(panels[row], first["depths"], strict=True):
            regions = first["regions"][f"{activation} {depth}"]
            axes.imshow(
                regions, extent=(-1.4, 1.4, -1.4, 1.4), origin="lower", cmap="RdBu", alpha=0.28, vmin=-1, vmax=1
            )
            axes.plot(*x[y == 0].T, ".", color=RED, ms=1.8)
            axes.plot(*x[y == 1].T, ".", color=BLUE, ms=1.8)
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.set_xlabel(f"{100 * first[f'{activation} {depth}']:.0f} %", color=GREY, labelpad=2)
            if row == 0:
                axes.set_title(
                    say(
                        "no hidden layer" if depth == 0 else f"{depth} hidden",
                        "无隐藏层" if depth == 0 else f"{depth} 个隐藏层",
                    )
                )
        panels[row, 0].set_ylabel(say("no activation", "无激活函数") if activation == "Identity" else "tanh")
