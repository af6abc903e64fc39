"""A race of optimizers: a picture of their paths on four surfaces, and of their loss on digits.

All start from the same point, or on digits from the same weights, and each has the best of a few learning rates. The
best is the one with the lowest mean, over the steps k, of the logarithm of max(loss at k, loss at k + 1, …).

On digits all make equally many passes over the data: every gradient counts, those of a line search too, of which L-BFGS
and conjugate gradient compute several a step.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib.patheffects as effects
import torch
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.progress import track
from sklearn.datasets import load_digits
from torch import Tensor

from scratch import nn, optim

RACERS: dict[str, tuple[Callable, str]] = {
    "gradient descent": (optim.SGD, "#f4f1de"),
    "momentum": (partial(optim.SGD, momentum=0.9), "#ffd166"),
    "Nesterov": (partial(optim.Nesterov, momentum=0.9), "#f79256"),
    "delta-bar-delta": (optim.DeltaBarDelta, "#b08968"),
    "Rprop": (optim.Rprop, "#ef476f"),
    "Adagrad": (optim.Adagrad, "#c77dff"),
    "RMSprop": (optim.RMSprop, "#7b8cff"),
    "Adam": (optim.Adam, "#06d6a0"),
    "conjugate gradient": (partial(optim.ConjugateGradient, max_iter=1, max_eval=20), "#4cc9f0"),
    "L-BFGS": (partial(optim.LBFGS, max_iter=1, max_eval=20, line_search_fn="strong_wolfe"), "#80ed99"),
    "Newton": (optim.Newton, "#ff5dcb"),
}
ONE_RATE = ("conjugate gradient", "L-BFGS", "Newton")  # these choose the length of their steps: the rate is 1
FULL_BATCH = ("Rprop", "conjugate gradient", "L-BFGS")  # these compare the gradients of successive steps
RATES = [10 ** (k / 3) for k in range(-11, -2)]  # on a surface
DIGITS_RATES = [10 ** (k / 2) for k in range(-6, 2)]
INK, PAPER = "#e8edf7", "#0b1021"
SEA = LinearSegmentedColormap.from_list("sea", ["#050813", "#0d1b3a", "#143560", "#1f5580", "#3b7a9c", "#5f9cb4"])


def ravine(x, y):
    u, v = 0.9 * x + 0.436 * y, 0.9 * y - 0.436 * x
    return 0.5 * (u * u + 30 * v * v)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def saddle(x, y):
    return x * x - y * y + 0.5 * y**4


# formula, start, window, lowest value and its places
SURFACES: dict[Callable, tuple[str, tuple, tuple, float, list]] = {
    ravine: (r"$(u^2 + 30\,v^2)\,/\,2$, turned", (-2.2, 0.9), (-2.6, 1.6, -1.7, 1.7), 0.0, [(0, 0)]),
    rosenbrock: (r"$(1-x)^2 + 100\,(y-x^2)^2$", (-1.3, 1.0), (-1.9, 1.7, -0.7, 2.1), 0.0, [(1, 1)]),
    beale: (r"$\Sigma\,(c_k - x + x\,y^k)^2$", (1.0, 1.5), (-0.6, 4.2, -1.4, 2.0), 0.0, [(3, 0.5)]),
    saddle: (r"$x^2 - y^2 + y^4/2$", (-1.4, 0.01), (-1.8, 1.1, -1.55, 1.55), -0.5, [(0, 1), (0, -1)]),
}


def step(optimizer, params: Sequence[Tensor], loss: Callable[[], Tensor], second_order: bool) -> None:
    """One step of an optimizer; with `second_order` the gradients can be differentiated again."""

    def closure():
        value = loss()
        for param, grad in zip(params, torch.autograd.grad(value, params, create_graph=second_order), strict=True):
            param.grad = grad
        return value

    optimizer.step(closure)


def path(surface: Callable, name: str, rate: float, steps: int) -> Tensor:
    """The points of an optimizer's path, (steps + 1, 2)."""
    point = torch.tensor(SURFACES[surface][1], dtype=torch.float64, requires_grad=True)
    optimizer = RACERS[name][0]([point], lr=rate)
    points = [point.detach().clone()]
    for _ in range(steps):
        step(optimizer, [point], lambda: surface(*point), name == "Newton")
        points.append(point.detach().clone())
    return torch.stack(points)


def drop(surface: Callable, points: Tensor) -> Tensor:
    """The height of the points above the lowest value of the surface."""
    return surface(*points.T) - SURFACES[surface][3]


def best(results: list, height: Callable[..., Tensor]):
    """The result with the lowest mean logarithm of the height that is not exceeded later."""

    def score(result) -> float:
        left = height(result).clamp(min=1e-9).flip(0).cummax(0).values
        mean = left.log().mean().item()
        return mean if math.isfinite(mean) else math.inf

    return min(results, key=score)


def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's digits, (1 797, 64) in [0, 1], and their classes."""
    data = load_digits()
    return torch.as_tensor(data.data, dtype=torch.float32) / 16, torch.as_tensor(data.target)


def train(name: str, rate: float, passes: int) -> Tensor:
    """The loss on all digits before training and after each pass over them.

    A pass is as many examples in gradients as there are. Where a step takes several, the loss stays that of the step
    before until they are spent.
    """
    x, y = digits()
    torch.manual_seed(0)
    layers = [nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)]
    model, criterion = torch.nn.Sequential(*layers), nn.CrossEntropyLoss()
    params = list(model.parameters())

    read = 0  # examples, in all gradients

    def batch_loss(rows: Tensor) -> Tensor:
        nonlocal read
        read += len(rows)
        return criterion(model(x[rows]), y[rows])

    @torch.no_grad()
    def loss() -> Tensor:
        return criterion(model(x), y)

    optimizer = RACERS[name][0](params, lr=rate)
    batch = len(x) if name in FULL_BATCH else 128
    losses = [loss()]
    while len(losses) <= passes:
        for rows in torch.randperm(len(x)).split(batch):
            step(optimizer, params, partial(batch_loss, rows), False)
            done = read // len(x)
            if done >= len(losses):
                losses += [losses[-1]] * (done - len(losses)) + [loss()]
    return torch.stack(losses[: passes + 1])


def draw_surface(ax, surface: Callable, paths: dict[str, Tensor]) -> None:
    """A panel with the paths on a surface."""
    formula, start, (left, right, bottom, top), lowest, goals = SURFACES[surface]
    x, y = torch.meshgrid(torch.linspace(left, right, 300), torch.linspace(bottom, top, 300), indexing="xy")
    height = (surface(x, y) - lowest + 0.02).log()
    ax.contourf(x, y, height, 60, cmap=SEA)
    ax.contour(x, y, height, 18, colors="white", linewidths=0.4, alpha=0.25)
    for order, (name, points) in enumerate(paths.items()):
        color = RACERS[name][1]
        outline = [effects.Stroke(linewidth=3.2, foreground=PAPER, alpha=0.55), effects.Normal()]
        ax.plot(*points.T, color=color, lw=1.6, zorder=3 + order, path_effects=outline, solid_capstyle="round")
        ax.plot(*points.T, ".", color=color, ms=3.2, zorder=3 + order)
    ax.plot(*zip(*goals, strict=True), "*", color="white", ms=15, mec=PAPER, mew=0.8, zorder=30)
    ax.plot(*start, "o", color="white", ms=7, mec=PAPER, mew=1.2, zorder=30)
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    ax.set_title(surface.__name__.capitalize(), loc="left", fontsize=15, weight="bold")
    ax.set_title(formula, loc="right", fontsize=12, color="#9fb3cc")


def draw_digits(ax, losses: dict[str, Tensor]) -> None:
    """A panel with the losses over the passes, and the names at the ends of the curves."""
    place = -math.inf
    for name in sorted(losses, key=lambda name: losses[name][-1]):
        color, curve = RACERS[name][1], losses[name]
        end = len(curve) - 1
        ax.plot(curve, color=color, lw=2.2, solid_capstyle="round")
        place = max(curve[-1].log10().item(), place + 0.12)  # so that labels do not overlap
        ax.plot([end, end * 1.04], [curve[-1], 10**place], color=color, lw=0.8)
        ax.text(end * 1.05, 10**place, name + "*" * (name in FULL_BATCH), color=color, fontsize=11.5, va="center")
    ax.set(yscale="log", xlim=(0, end * 1.5))
    ax.set_xlabel("passes over the data    (* full batch, others 128)", loc="left")
    ax.set_xticks(range(0, end + 1, 5))
    ax.set_title("Digits", loc="left", fontsize=15, weight="bold")
    ax.set_title("cross-entropy of a 64-32-10 perceptron", loc="right", fontsize=12, color="#9fb3cc")
    ax.hlines([1, 0.1, 0.01], 0, end, color=INK, alpha=0.12, lw=0.8, zorder=0)
    ax.spines[["top", "right", "bottom", "left"]].set_visible(False)
    ax.minorticks_off()


def race(out: Path, racers: list[str], steps: int, passes: int) -> None:
    """Run the race of these optimizers and draw it into the file `out`."""
    torch.set_num_threads(1)  # the tensors are small
    paths: dict[Callable, dict[str, Tensor]] = {surface: {} for surface in SURFACES}
    losses: dict[str, Tensor] = {}
    for name in track(racers, "racing"):
        for surface in SURFACES:
            results = [path(surface, name, rate, steps) for rate in ([1.0] if name in ONE_RATE else RATES)]
            paths[surface][name] = best(results, partial(drop, surface))
        if name != "Newton":  # which would need 2410² second derivatives
            results = [train(name, rate, passes) for rate in ([1.0] if name in ONE_RATE else DIGITS_RATES)]
            losses[name] = best(results, lambda losses: losses)
    with rc_context({"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}):
        picture(racers, paths, losses).savefig(out, dpi=100, facecolor=PAPER)
    print(f"drawn: {out.resolve()}")


def picture(racers: list[str], paths: dict[Callable, dict[str, Tensor]], losses: dict[str, Tensor]) -> Figure:
    """The four surfaces, the digits beside them, and a legend on top."""
    figure = Figure(figsize=(19, 10.4), facecolor=PAPER)
    grid = figure.add_gridspec(2, 4, width_ratios=(1, 1, 0.03, 0.95), left=0.02, right=0.985, top=0.86, bottom=0.06,
                               wspace=0.06, hspace=0.13)  # fmt: skip
    for index, surface in enumerate(SURFACES):
        draw_surface(figure.add_subplot(grid[index // 2, index % 2]), surface, paths[surface])
    if losses:
        draw_digits(figure.add_subplot(grid[:, 3], facecolor=PAPER), losses)
    figure.text(0.02, 0.945, "The optimizers' race", fontsize=26, weight="bold")
    handles = [Line2D([], [], color=RACERS[name][1], lw=3.5) for name in racers]
    figure.legend(handles, racers, loc="upper left", bbox_to_anchor=(0.27, 0.985), ncols=6, frameon=False,
                  fontsize=12.5, labelcolor=INK, handlelength=1.4, columnspacing=1.6)  # fmt: skip
    return figure
