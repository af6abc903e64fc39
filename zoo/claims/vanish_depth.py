"""Gradients vanish with depth behind sigmoids, whose slope is at most 1/4; ReLU cures it.

Notes:    000, lines 239-254; 002, lines 61-67.
Run:      perceptrons of 2, 5, 10 and 20 hidden layers of 64 units with sigmoid, tanh and ReLU, started as torch does by
          default, as Xavier and as He has it; one backward pass on 256 digits, no training.
Number:   the norm of the gradient by the weights of the first hidden layer over that of the last, at the greatest depth.
Decided:  sigmoid's must vanish under every start, or the claim fails. It holds if ReLU's stays between 0.1 and 10 under
          every start, and holds only if the weights start as those have it under which ReLU's does.
"""

from typing import Any

from torch.nn import Module

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, cut, label_ends
from zoo.claims.workbench import Implementation, Numbers, Say, Verdict, begin, digits, fails, holds, initialise
from zoo.claims.workbench import only_if, perceptron

CHINESE = "Sigmoid 的导数不超过 1/4,梯度会随层数加深而消失；换成 ReLU 即可解决。"
SEEDS = 3
THRESHOLDS = {"vanished": 1e-3, "kept": 0.1, "exploded": 10.0}
QUICK = {"depths": (20,), "examples": 64}
ACTIVATIONS = ("Sigmoid", "Tanh", "ReLU")
STARTS = ("default", "Xavier", "He")


def run(
    impl: Implementation, seed: int, depths: tuple[int, ...] = (5, 10, 20), width: int = 64, examples: int = 256
) -> dict[str, Any]:
    data = digits().first(examples)
    found: dict[str, Any] = {"norms": {}}
    for activation in ACTIVATIONS:
        for start in STARTS:
            for depth in depths:
                begin(seed, depth)
                network = perceptron(impl.nn, [64, *[width] * depth, 10], activation)
                initialise(network, start)
                impl.nn.CrossEntropyLoss()(network(data.x), data.y).backward()
                norms = gradient_norms(network)[:-1]  # of the hidden layers
                found["norms"][f"{activation} {start} {depth}"] = norms
                found[f"{activation} {start}"] = norms[0] / norms[-1]
    return found


def gradient_norms(network: Module) -> list[float]:
    """‖∂loss/∂W‖ of every layer, the first one first."""
    return [parameter.grad.norm().item() for parameter in network.parameters() if parameter.dim() == 2]  # type: ignore[union-attr]


def decide(numbers: Numbers) -> Verdict:
    vanished, kept, exploded = THRESHOLDS.values()
    mildest = max(numbers[f"Sigmoid {start}"] for start in STARTS)
    if mildest >= vanished:
        return fails(
            f"with one of the starts sigmoid's gradient keeps {mildest:.1g} of itself over the layers",
            f"有一种初始化能让 sigmoid 的梯度逐层传下来后还剩 {mildest:.1g}",
        )
    cured = [start for start in STARTS if kept <= numbers[f"ReLU {start}"] <= exploded]
    shares = ", ".join(f"{numbers[f'ReLU {start}']:.1g} ({start})" for start in STARTS)
    because = (
        f"of sigmoid's gradient at most {mildest:.0e} reaches the first layer, of ReLU's {shares}",
        f"sigmoid 的梯度传到第一层最多剩 {mildest:.0e}，ReLU 分别剩 {shares}",
    )
    if len(cured) == len(STARTS):
        return holds(*because)
    if cured:
        return only_if((f"the weights start as in {' or '.join(cured)}", f"权重按 {'、'.join(cured)} 初始化"), *because)
    return fails(*because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(1, 3, sharey=True)
    names = {"default": say("torch's", "默认"), "Xavier": "Xavier", "He": "He"}
    for axes, activation in zip(panels, ACTIVATIONS, strict=True):
        for name, norms in runs[0]["norms"].items():
            which, start, depth = name.split()
            if which == activation:
                deepest = depth == "20"
                colour = {"default": BLUE, "Xavier": RED, "He": GREEN}[start]
                layers = range(1, len(norms) + 1)
                axes.plot(
                    layers, cut(norms), color=colour, lw=2 if deepest else 1, alpha=1 if deepest else 0.35,
                    label=names[start] if deepest else "_",
                )  # fmt: skip
        axes.set(yscale="log", xlabel=say("layer", "层"), xticks=[1, 5, 10, 15, 20])
        axes.set_title(activation)
    panels[0].set_ylabel(say("norm of the gradient by its weights", "该层权重梯度的范数"))
    for axes in panels:
        label_ends(axes)
