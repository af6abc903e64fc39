"""The demonstration of LeNet in the notes learns MNIST as it is written.

Notes:    004, lines 213-254: Conv 6 5×5, max-pooling, Conv 16 5×5, max-pooling, Dense 120, 84, all with sigmoid,
          softmax; SGD at 0.9 in batches of 32, five epochs, pixels from 0 to 255, the last tenth of the training
          pictures to validate. Keras begins with Xavier's weights and biases of 0.
Run:      that, and the same with pixels from 0 to 1 and standardised, on the first 6 000 pictures of MNIST in
          paths.data_dir; settings.images=60000 takes all. Where MNIST is not there, on scikit-learn's digits enlarged
          to 28 × 28, for so many epochs that the steps are as many.
Number:   whether a run leaves the ground: a validation accuracy above 0.2 after the last epoch.
Decided:  holds if the runs leave it with raw pixels, holds only if the pixels are scaled where they do so with those of
          0 to 1 or standardised alone.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.nn import Sequential
from torch.nn.functional import interpolate
from torchvision.datasets import MNIST

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, initialise, training

CHINESE = "笔记中的 LeNet 示例照原样写就能学会 MNIST。"
SEEDS = 3
THRESHOLDS = {"ground": 0.2}
QUICK = {"images": 600, "epochs": 5}
SCALES = ("0 to 255", "0 to 1", "standardised")
BATCH, RATE = 32, 0.9


def run(impl: Implementation, seed: int, images: int = 6000, epochs: int = 5, data_dir: str = "") -> dict[str, Any]:
    x, y, source = pictures(data_dir, images)
    held = len(x) // 10
    epochs = round(epochs * images / len(x))  # as many steps with fewer pictures
    found: dict[str, Any] = {"source": source, "images": len(x), "curves": {}}
    for name in SCALES:
        scaled = x if name == "0 to 255" else x / 255 if name == "0 to 1" else (x - x.mean()) / x.std()
        begin(seed)
        network = lenet(impl.nn)
        initialise(network, "Xavier")
        optimizer = impl.optimizer("SGD", network, lr=RATE)
        train_x, train_y, each = scaled[:-held], y[:-held], -(-(len(x) - held) // BATCH)
        curve = [accuracy(network, scaled[-held:], y[-held:])]
        for done in training(network, impl.nn.CrossEntropyLoss(), optimizer, train_x, train_y, BATCH, epochs * each):
            if done % each == 0:
                curve.append(accuracy(network, scaled[-held:], y[-held:]))
        found["curves"][name] = curve
        found[f"{name}: accuracy"] = curve[-1]
        found[f"{name}: left the ground"] = float(curve[-1] > THRESHOLDS["ground"])
    return found


def pictures(data_dir: str, images: int) -> tuple[Tensor, Tensor, str]:
    """(N, 1, 28, 28) from 0 to 255, their classes, and where they are from."""
    with suppress(RuntimeError):  # not there, or not all of it
        mnist = MNIST(data_dir, download=False)
        return mnist.data[:images, None].float(), mnist.targets[:images], "MNIST"
    data = digits()
    x = torch.cat([data.x, data.test_x]).reshape(-1, 1, 8, 8)
    larger = interpolate(x, size=(28, 28), mode="bilinear", align_corners=False)
    return 255 * larger[:images], torch.cat([data.y, data.test_y])[:images], "digits"


def lenet(nn: Any) -> Sequential:
    return Sequential(
        nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip


def decide(numbers: Numbers) -> Verdict:
    reached = [f"{100 * numbers[f'{name}: accuracy']:.0f} %" for name in SCALES]
    because = (
        f"the median run reaches {reached[0]} with pixels of 0 to 255, {reached[1]} with 0 to 1, {reached[2]} with "
        "standardised ones; 10 % is guessing",
        f"中位数准确率：像素 0–255 为 {reached[0]}，0–1 为 {reached[1]}，标准化为 {reached[2]}；随机猜测为 10%",
    )
    left = [name for name in SCALES if numbers[f"{name}: left the ground"] == 1]
    if "0 to 255" in left:
        return holds(because)
    if left:
        chinese = {"0 to 1": "缩放到 0–1", "standardised": "标准化"}
        return only_if(
            (
                f"the pixels are {' or '.join(name.replace('0 to 1', 'scaled to 0 to 1') for name in left)}",
                f"像素先{'或'.join(chinese[name] for name in left)}",
            ),
            because,
        )
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    names = {
        "0 to 255": (say("0 to 255,\nas written", "0–255\n（原样）"), RED),
        "0 to 1": (say("0 to 1", "0–1"), BLUE),
        "standardised": (say("standardised", "标准化"), GREEN),
    }
    for name, (label, colour) in names.items():
        for index, each in enumerate(runs):
            axes.plot(
                each["curves"][name], "o-", color=colour, ms=4, lw=1.3, alpha=0.75, label=label if index == 0 else "_"
            )
    axes.axhline(0.1, color="black", lw=0.7, ls=":")
    axes.set_ylim(0, 1)
    count = f"{runs[0]['images']:,}".replace(",", " ")
    panel(
        axes, "", say("epoch", "轮"),
        say(f"validation accuracy, three seeds, {count} pictures of {runs[0]['source']}",
            f"验证准确率（3 个随机种子，{runs[0]['source']} 的 {count} 张图）"),
    )  # fmt: skip
    label_ends(axes, 2.4)
