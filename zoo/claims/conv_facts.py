"""Convolution: the size formula, borders that count less, fields that grow with depth, less to compute than dense
layers.

Notes:    004, lines 178-198.
Run:      (a) every convolution of lines of 1 to 10 numbers by kernels of 1 to 4, padding 0 to 2, stride 1 to 4,
          dilation 1 to 3 whose kernel fits, against (n − k + 2p)/s + 1; (b) in how many windows of a 3×3 kernel each
          pixel of 7×7 is, without and with padding 1; (c) how wide a part of the input one output of 1 to 4 such layers
          depends on; (d) weights and multiplications of LeNet's first layer and of a dense one of the same sizes.
Number:   in how many cases the formula is wrong: as written, and rounded down.
Decided:  (b) corners must count less than the centre, (c) fields grow, (d) be less of both, or the claim fails. Holds
          if the formula is never wrong; holds only if it is rounded down, and there is no dilation, where that makes it
          right.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, RED, Figure, bars
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation

CHINESE = "卷积：尺寸公式；对外圈像素不公平；层数越深视野越大；比全连接计算量小。"
SEEDS = 1  # nothing is random
THRESHOLDS = {"wrong": 0.0}
QUICK = {"longest": 6}
HEIGHT = 4.6


def run(impl: Implementation, seed: int, longest: int = 10) -> dict[str, Any]:
    visits = {padding: windows(impl, padding) for padding in (0, 1)}
    return {
        **sizes(impl, longest),
        "windows of a corner": visits[0][0][0],
        "windows of a corner, padded": visits[1][0][0],
        "windows of the centre": visits[0][3][3],
        **{f"field of {depth} layers": field(impl, depth) for depth in (1, 2, 3, 4)},
        **costs(impl),
        "visits": list(visits.values()),
    }


def sizes(impl: Implementation, longest: int) -> dict[str, float]:
    """How many cases there are, and where the formula fails."""
    cases = wrong = rounded = dilated = 0
    for n in range(1, longest + 1):
        for k in range(1, 5):
            for p in range(3):
                for s in range(1, 5):
                    for d in (1, 2, 3):
                        if n + 2 * p < d * (k - 1) + 1 or (d > 1 and k == 1):
                            continue
                        with torch.no_grad():
                            size = impl.nn.Conv1d(1, 1, k, s, p, d)(torch.zeros(1, 1, n)).shape[-1]
                        cases += 1
                        wrong += size != (n - k + 2 * p) / s + 1
                        rounded += d == 1 and size != (n - k + 2 * p) // s + 1
                        dilated += d > 1 and size != (n - k + 2 * p) // s + 1
    return {"cases": cases, "wrong as written": wrong, "wrong rounded down": rounded, "wrong by dilation": dilated}


def windows(impl: Implementation, padding: int) -> list[list[float]]:
    """How many windows each pixel is in: the gradient of the sum of a convolution by ones."""
    convolution = impl.nn.Conv2d(1, 1, 3, padding=padding, bias=False)
    torch.nn.init.ones_(convolution.weight)
    x = torch.zeros(1, 1, 7, 7, requires_grad=True)
    convolution(x).sum().backward()
    return x.grad[0, 0].tolist()  # type: ignore[index]


def field(impl: Implementation, depth: int) -> int:
    """The width of what one output of so many 3×3 layers depends on."""
    layers = [impl.nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(depth)]
    for layer in layers:
        torch.nn.init.ones_(layer.weight)
    x = torch.zeros(1, 1, 15, 15, requires_grad=True)
    torch.nn.Sequential(*layers)(x)[0, 0, 7, 7].backward()
    return int((x.grad[0, 0, 7] != 0).sum())  # type: ignore[index]


def costs(impl: Implementation) -> dict[str, int]:
    """The costs of LeNet's C1, 1 × 32 × 32 -> 6 × 28 × 28, and of a dense layer from as many numbers to as many."""
    layer = impl.nn.Conv2d(1, 6, 5)
    inputs, outputs = 32 * 32, layer(torch.zeros(1, 1, 32, 32)).numel()
    return {
        "weights, convolution": layer.weight.numel() + layer.bias.numel(),
        "weights, dense": (inputs + 1) * outputs,
        "multiplications, convolution": 5 * 5 * outputs,
        "multiplications, dense": inputs * outputs,
    }


def decide(numbers: Numbers) -> Verdict:
    n = {name: int(value) for name, value in numbers.items()}
    because = (
        f"of {n['cases']} cases the formula is wrong in {n['wrong as written']} as it is written, rounded down in "
        f"{n['wrong rounded down']} without dilation and {n['wrong by dilation']} with it; a corner is in "
        f"{n['windows of a corner']} of {n['windows of the centre']} windows, with padding still in "
        f"{n['windows of a corner, padded']}; fields grow to {n['field of 4 layers']}, the kernels do not",
        f"{n['cases']} 种情形中，原公式错 {n['wrong as written']} 种；向下取整后，无空洞时错 {n['wrong rounded down']} "
        f"种、有空洞时错 {n['wrong by dilation']} 种；角上像素只参与 "
        f"{n['windows of a corner']}/{n['windows of the centre']} 个窗口，补零后也只有 "
        f"{n['windows of a corner, padded']} 个；变大的是感受野（{n['field of 4 layers']}），不是卷积核",
    )
    fields = [n[f"field of {depth} layers"] for depth in (1, 2, 3, 4)]
    others = (
        n["windows of a corner"] < n["windows of the centre"]
        and fields == sorted(set(fields))
        and all(n[f"{what}, convolution"] < n[f"{what}, dense"] for what in ("weights", "multiplications"))
    )
    if not others or n["wrong rounded down"] > THRESHOLDS["wrong"]:
        return fails(because)
    if n["wrong as written"] <= THRESHOLDS["wrong"]:
        return holds(because)
    return only_if(
        ("the quotient is rounded down and the kernel is not dilated", "除法向下取整，且不用空洞卷积"), because
    )


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    first = runs[0]
    panels = figure.subplots(2, 2, height_ratios=(1.15, 1))
    titles = say("Windows each pixel is in", "每个像素参与的窗口数"), say("with padding 1", "补零 1 圈后")
    for axes, visits, title in zip(panels[0], first["visits"], titles, strict=True):
        axes.imshow(visits, cmap="Blues", vmin=0, vmax=11)
        for i, line in enumerate(visits):
            for j, count in enumerate(line):
                axes.text(
                    j, i, f"{count:.0f}", ha="center", va="center", fontsize=9, color="white" if count > 6 else "black"
                )
        axes.set(xticks=[], yticks=[])
        axes.set_title(title)
        axes.grid(visible=False)
    names = [say("as written", "原公式"), say("rounded down", "向下取整"), say("… and dilated", "向下取整，有空洞")]
    values = [first[f"wrong {how}"] for how in ("as written", "rounded down", "by dilation")]
    bars(panels[1, 0], names, values, [RED, BLUE, RED], "{:.0f}")
    panels[1, 0].set_title(say(f"Wrong sizes, of {first['cases']}", f"算错的尺寸（共 {first['cases']} 种）"))
    names = [
        say("weights: convolution", "权重：卷积"), say("dense", "全连接"),
        say("multiplications: convolution", "乘法：卷积"), say("dense ", "全连接 "),
    ]  # fmt: skip
    values = [first[f"{what}, {how}"] for what in ("weights", "multiplications") for how in ("convolution", "dense")]
    bars(panels[1, 1], names, values, [BLUE, RED] * 2, "{:,.0f}")
    panels[1, 1].set_xscale("log")
    panels[1, 1].set_xlim(1, 1e9)
    panels[1, 1].set_title(say("LeNet's first layer", "LeNet 第一层"))
