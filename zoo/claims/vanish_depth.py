"""Gradients vanish with depth behind sigmoids, whose slope is at most 1/4; ReLU cures it.

Notes:    000, lines 239-254; 002, lines 61-67.
Run:      perceptrons of 2, 5, 10 and 20 hidden layers of 64 units with sigmoid, tanh and ReLU, started as torch does by
          default, as Xavier and as He has it; one backward pass on 256 digits, no training.
Number:   the norm of δ = ∂loss/∂z of the first hidden layer over that of the last, at the greatest depth; and the same
          of the gradients by the weights.
Decided:  sigmoid's δ must vanish under every start, or the claim fails. It holds if both of ReLU's stay between 0.1 and
          10 under every start, and holds only if the weights start as those have it under which ReLU's do.
Changed:  after the first look δ was added, the notes' own quantity. The gradients by the weights alone are blind with
          Xavier: signals die out on the way forward as gradients do on the way back, and their products are equally
          small in all layers.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, cut, label_ends
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Data, Implementation, begin, digits, initialise, perceptron

CHINESE = "Sigmoid 的导数不超过 1/4，梯度会随层数加深而消失；换成 ReLU 即可解决。"
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
                deltas, weights = gradient_norms(network, impl.nn.CrossEntropyLoss(), data)
                found["norms"][f"{activation} {start} {depth}"] = deltas
                found[f"{activation} {start}"] = deltas[0] / deltas[-1]
                found[f"{activation} {start}, weights"] = weights[0] / weights[-1]
    return found


def gradient_norms(network: Any, criterion: Any, data: Data) -> tuple[list[float], list[float]]:
    """‖∂loss/∂z‖ and ‖∂loss/∂W‖ of the hidden layers, the first one first."""
    h, sums, weights = data.x, [], []
    for layer in network:
        h = layer(h)
        if hasattr(layer, "weight"):
            sums.append(h)
            weights.append(layer.weight)
    gradients = torch.autograd.grad(criterion(h, data.y), [*sums[:-1], *weights[:-1]])
    norms = [gradient.norm().item() for gradient in gradients]
    return norms[: len(norms) // 2], norms[len(norms) // 2 :]


def decide(numbers: Numbers) -> Verdict:
    vanished, kept, exploded = THRESHOLDS.values()
    mildest = max(numbers[f"Sigmoid {start}"] for start in STARTS)
    if mildest >= vanished:
        because = (
            f"with one of the starts sigmoid's gradient keeps {mildest:.1g} of itself over the layers",
            f"有一种初始化能让 sigmoid 的梯度逐层传下来后还剩 {mildest:.1g}",
        )
        return fails(because)
    cured = [
        start for start in STARTS if all(kept <= numbers[f"ReLU {start}{of}"] <= exploded for of in ("", ", weights"))
    ]
    default, xavier, he = (f"{numbers[f'ReLU {start}']:.1g}" for start in STARTS)
    because = (
        f"of sigmoid's gradient at most {mildest:.0e} reaches the first layer, of ReLU's {default} as torch starts, "
        f"{xavier} with Xavier's start and {he} with He's",
        f"sigmoid 的梯度传到第一层最多剩 {mildest:.0e}；ReLU 在默认、Xavier、He 初始化下分别剩 {default}、{xavier}、"
        f"{he}",
    )
    if len(cured) == len(STARTS):
        return holds(because)
    if cured:
        return only_if(
            (f"the weights start as {' or '.join(cured)} has it", f"权重按 {'、'.join(cured)} 初始化"), because
        )
    return fails(because)


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
    panels[0].set_ylabel(say("norm of δ, the gradient by z", "误差 δ（对 z 的梯度）的范数"))
    for axes in panels:
        label_ends(axes)
