"""The pictures of generated pages: functions with their slopes, and optimizers on their way through a ravine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

import scratch.optim
from scratch.nn import functional as F
from scripts import index
from zoo.claims.drawing import BLUE, GREY, INK, RED

STYLE: dict[str, Any] = {
    "svg.fonttype": "path", "svg.hashsalt": "handgrad", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": GREY, "axes.grid": True, "grid.color": "#ececec", "axes.axisbelow": True, "xtick.color": GREY,
    "ytick.color": GREY, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "lines.linewidth": 1.8, "lines.solid_capstyle": "round",
}  # fmt: skip
WITH = {  # arguments that a function needs, or with which its shape shows
    "threshold": (0.5, -0.5), "prelu": (torch.tensor([0.25], dtype=torch.float64),), "leaky_relu": (0.1,),
}  # fmt: skip
ELEMENTWISE = ("sigmoid", "rectifier", "gated", "shrinkage", "prelu")
WITHOUT = ("glu", "rrelu")  # of two numbers; of chance
OF_DIFFERENCE = {"regression_loss": ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")}


def save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{os.getpid()}.{path.name}")  # two languages may be built at once
    with matplotlib.rc_context(STYLE):
        figure.savefig(new, metadata={"Date": None})
    return new.replace(path)


def functions(stem: str) -> list[str]:
    """The functions of one number on a page."""
    if stem in OF_DIFFERENCE:
        return list(OF_DIFFERENCE[stem])
    if stem not in ELEMENTWISE:
        return []
    names = " ".join(index.OPS[stem]).split()
    return [name for name in names if name.islower() and name not in WITHOUT]


def curve(name: str, path: Path) -> Path:
    """y = f(x), and f′(x) by our own backward."""
    x = torch.linspace(-4, 4, 801, dtype=torch.float64, requires_grad=True)
    function: Callable[..., Tensor] = getattr(F, name)
    if name.endswith("_loss"):
        y = function(x, torch.zeros_like(x), reduction="none")
    else:
        y = function(x, *WITH.get(name, ()))
    (slope,) = torch.autograd.grad(y.sum(), x)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.9, 2.1), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color=GREY, lw=0.6)
        axes.axvline(0, color=GREY, lw=0.6)
        for values, colour in ((slope, RED), (y.detach(), BLUE)):
            for piece in pieces(values):
                axes.plot(x.detach()[piece], values[piece], color=colour)
        low, high = (float(t) for t in torch.cat([y.detach(), slope]).aminmax())
        axes.set(xlim=(-4, 4), ylim=(max(low, -4) - 0.25, min(high, 4) + 0.25))
        axes.set_title(name, fontsize=9, family="monospace", loc="left")
    return save(figure, path)


def pieces(values: Tensor) -> list[slice]:
    """Where a curve is drawn in one line: cut at its jumps."""
    step = values.diff().abs()
    jumps = (step > 0.2 * (values.max() - values.min()).clamp_min(1e-9)).nonzero().flatten().tolist()
    ends = [-1, *jumps, len(values) - 1]
    return [slice(a + 1, b + 1) for a, b in zip(ends, ends[1:], strict=False)]


START, SCALES, STEPS = (-4.0, 1.4), (1.0, 20.0), 60  # the loss is ½ (x² + 20 y²)
SETTINGS: dict[str, dict[str, Any]] = {  # with which a rule shows on the ravine what it does
    "SGD": {"lr": 0.04, "momentum": 0.8}, "Nesterov": {"lr": 0.03, "momentum": 0.8}, "ASGD": {"lr": 0.09, "t0": 10},
    "Rprop": {"lr": 0.05}, "DeltaBarDelta": {"lr": 0.02, "up": 0.3}, "Adagrad": {"lr": 0.9}, "RMSprop": {"lr": 0.1},
    "Adadelta": {"lr": 1.0, "eps": 1e-2}, "Adam": {"lr": 0.25}, "AdamW": {"lr": 0.25}, "Adamax": {"lr": 0.3},
    "NAdam": {"lr": 0.2}, "RAdam": {"lr": 0.3}, "AdaBound": {"lr": 0.2, "final_lr": 0.05}, "SWATS": {"lr": 0.2},
    "SparseAdam": {"lr": 0.25}, "Adafactor": {"lr": 0.3}, "Muon": {"lr": 0.2, "weight_decay": 0}, "Newton": {"lr": 0.5},
    "ConjugateGradient": {"max_iter": 1}, "LBFGS": {"max_iter": 1, "line_search_fn": "strong_wolfe"},
}  # fmt: skip


def ravine(point: Tensor) -> Tensor:
    return (torch.tensor(SCALES, dtype=torch.float64) * point.flatten() ** 2).sum() / 2


def way(name: str) -> Tensor:
    """The points (STEPS + 1, 2) through which an optimizer goes."""
    shape = (2, 1) if name == "Muon" else (2,)
    point = torch.tensor(START, dtype=torch.float64).reshape(shape).requires_grad_()
    optimizer = getattr(scratch.optim, name)([point], **SETTINGS[name])
    twice = name == "Newton"

    def closure() -> Tensor:
        loss = ravine(point)
        (point.grad,) = torch.autograd.grad(loss, point, create_graph=twice)
        if name == "SparseAdam":
            point.grad = point.grad.to_sparse()
        return loss.detach()

    points = [point.detach().clone().flatten()]
    for _ in range(STEPS):
        optimizer.step(closure)
        points.append(point.detach().clone().flatten())
    return torch.stack(points)


def path_of(name: str, path: Path) -> Path:
    """The way of an optimizer over the contours of the ravine."""
    points = way(name)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        x, y = torch.meshgrid(torch.linspace(-4.6, 2.6, 181), torch.linspace(-1.7, 1.9, 121), indexing="xy")
        height = (SCALES[0] * x**2 + SCALES[1] * y**2) / 2
        axes.contour(x, y, height, levels=[0.1, 0.5, 1.5, 4, 8, 14, 22, 34], colors="#c9d2dc", linewidths=0.8)
        axes.plot(*points.T, color=BLUE, lw=1.2)
        axes.plot(*points.T, "o", color=BLUE, ms=2.6)
        axes.plot(*START, "o", color=INK, ms=4)
        axes.plot(0, 0, "+", color=RED, ms=9, mew=1.8)
        settings = ", ".join(f"{key}={value}" for key, value in SETTINGS[name].items())
        axes.set_title(f"{name}({settings})", fontsize=8.5, family="monospace", loc="left")
        axes.grid(False)
        axes.set(xlim=(-4.6, 2.6), ylim=(-1.7, 1.9))
    return save(figure, path)
