"""One layer can only draw a line, two layers any border.

Notes:    000, line 77.
Run:      XOR as four clouds of 50 points by Rosenblatt's perceptron, by a perceptron with a hidden layer of 8 tanh
          units and by 8 radial basis functions; and two spirals by a hidden layer of 2, 4, 8 and 32 units.
Number:   accuracy on the points.
Decided:  a line is drawn where that stays below 0.8, the border found where it is at least 0.98. Holds if one layer
          draws a line and two find both borders at every width; holds only if the hidden layer is wide enough, where
          that decides.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Sequential

from zoo.claims.drawing import BLUE, GREY, RED, Figure, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, fit, perceptron

CHINESE = "单层只能画一条直线，两层能画出任意边界。"
SEEDS = 3
THRESHOLDS = {"a line": 0.8, "found": 0.98}
QUICK = {"steps": 200, "widths": (2, 32), "spiral_steps": 600}
HEIGHT = 4.2


def run(
    impl: Implementation,
    seed: int,
    steps: int = 400,
    widths: tuple[int, ...] = (2, 4, 8, 32),
    spiral_steps: int = 1000,
) -> dict[str, Any]:
    nn = impl.nn
    begin(seed)
    x, y = clouds()
    networks = {
        "perceptron": (nn.Linear(2, 2), nn.PerceptronLoss(), "SGD", 0.1),
        "hidden layer": (perceptron(nn, [2, 8, 2]), nn.CrossEntropyLoss(), "Adam", 0.03),
        "radial basis": (Sequential(nn.RadialBasis(2, 8), nn.Linear(8, 2)), nn.CrossEntropyLoss(), "Adam", 0.03),
    }
    found: dict[str, Any] = {"points": [x.tolist(), y.tolist()], "regions": {}, "widths": list(widths)}
    for name, (network, criterion, rule, rate) in networks.items():
        learn(impl, network, criterion, rule, rate, x, y, steps)
        found[name], found["regions"][name] = accuracy(network, x, y), regions(network, 2.0)
    x, y = spirals()
    found["spirals"] = [x.tolist(), y.tolist()]
    for width in widths:
        begin(seed, 1)
        network = perceptron(nn, [2, width, 2])
        learn(impl, network, nn.CrossEntropyLoss(), "Adam", 0.03, x, y, spiral_steps)
        found[f"spirals, width {width}"] = accuracy(network, x, y)
        found["regions"][f"width {width}"] = regions(network, 2.0)
    return found


def clouds() -> tuple[Tensor, Tensor]:
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    return corners.repeat_interleave(50, 0) + 0.25 * torch.randn(200, 2), torch.arange(2).repeat_interleave(100)


def spirals() -> tuple[Tensor, Tensor]:
    """Two arms of 100 points, one turn and a half each."""
    t = torch.linspace(0.15, 1, 100)
    angle = 3 * torch.pi * t
    arm = 1.8 * t[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return torch.cat([arm, -arm]), torch.arange(2).repeat_interleave(100)


def learn(
    impl: Implementation, network: Any, criterion: Any, rule: str, rate: float, x: Any, y: Any, steps: int
) -> None:
    optimizer = impl.optimizer(rule, network, lr=rate)
    for _ in range(steps):
        fit(optimizer, network, criterion, x, y)


@torch.no_grad()
def regions(network: Any, reach: float) -> list[list[float]]:
    """The class said at each of 60 × 60 places, as −1 and 1."""
    grid = torch.cartesian_prod(*[torch.linspace(-reach, reach, 60)] * 2)
    z = network(grid)
    return (z[:, 1] - z[:, 0]).reshape(60, 60).T.sign().tolist()


def decide(numbers: Numbers) -> Verdict:
    widths = {int(name.split()[-1]): value for name, value in numbers.items() if name.startswith("spirals, width")}
    text = ", ".join(f"{value:.2f} ({width})" for width, value in widths.items())
    because = (
        f"XOR: one layer {numbers['perceptron']:.2f}, a hidden layer {numbers['hidden layer']:.2f}, radial basis "
        f"functions {numbers['radial basis']:.2f}; spirals by hidden layers of these widths: {text}",
        f"XOR：单层 {numbers['perceptron']:.2f}，一个隐藏层 {numbers['hidden layer']:.2f}，径向基 "
        f"{numbers['radial basis']:.2f}；双螺旋在不同宽度的隐藏层下：{text}",
    )
    line, border = THRESHOLDS.values()
    right = numbers["perceptron"] < line and min(numbers["hidden layer"], numbers["radial basis"]) >= border
    enough = [width for width, value in widths.items() if value >= border]
    if not right or not enough:
        return fails(because)
    if len(enough) == len(widths):
        return holds(because)
    return only_if(
        (
            f"the hidden layer is wide enough (here {min(enough)} for spirals)",
            f"隐藏层足够宽（双螺旋需要 {min(enough)} 个单元）",
        ),
        because,
    )


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    first = runs[0]
    widths = first["widths"]
    panels = figure.subplots(2, max(4, len(widths)))
    names = {
        "perceptron": say("one layer", "单层"),
        "hidden layer": say("8 tanh units", "8 个 tanh 单元"),
        "radial basis": say("8 radial basis", "8 个径向基"),
    }
    tops = [(name, label, first[name], first["points"]) for name, label in names.items()]
    below = [
        (f"width {width}", say(f"{width} units", f"{width} 个单元"), first[f"spirals, width {width}"], first["spirals"])
        for width in widths
    ]
    for row, entries in zip(panels, (tops, below), strict=True):
        for axes in row[len(entries) :]:
            axes.set_axis_off()
        for axes, (name, label, right, points) in zip(row, entries, strict=False):
            x, y = (torch.tensor(part) for part in points)
            axes.imshow(
                first["regions"][name], extent=(-2, 2, -2, 2), origin="lower", cmap="RdBu", alpha=0.28, vmin=-1, vmax=1
            )
            axes.plot(*x[y == 0].T, ".", color=RED, ms=2)
            axes.plot(*x[y == 1].T, ".", color=BLUE, ms=2)
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            panel(axes, label, f"{100 * right:.0f} %")
            axes.xaxis.label.set_color(GREY)
