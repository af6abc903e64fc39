"""Early stopping and dropout prevent overfitting.

Notes:    004, lines 70-76.
Run:      a perceptron 64-256-10 with ReLU on 200 digits of which 20 % have a wrong label, Adam at 0.001 in batches of
          32, 100 epochs: as it is; with dropout 0.5; stopped early, for which 40 of the 200 are taken away as the notes
          say, and the weights kept that do best on them.
Number:   test accuracy, on right labels.
Decided:  a remedy works if it gains 0.02. Holds if both do, holds only for the one that does.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, training

CHINESE = "提前停止和 Dropout 能防止过拟合。"
SEEDS = 5
THRESHOLDS = {"gain": 0.02}
QUICK = {"epochs": 100}
EXAMPLES, WRONG, HELD_OUT = 200, 0.2, 40


def run(impl: Implementation, seed: int, epochs: int = 100) -> dict[str, Any]:
    begin(seed)
    data = digits()
    chosen = torch.randperm(len(data.x))[:EXAMPLES]
    x, y = data.x[chosen], data.y[chosen].clone()
    wrong = torch.randperm(EXAMPLES)[: int(WRONG * EXAMPLES)]
    y[wrong] = (y[wrong] + torch.randint(1, 10, wrong.shape)) % 10

    def learn(dropout: float, x: Any, y: Any) -> tuple[list[float], list[float]]:
        """Accuracy on the test digits and on those held out, after every epoch."""
        begin(seed, 1)
        nn = impl.nn
        network = torch.nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, 10))
        optimizer = impl.optimizer("Adam", network, lr=0.001)
        test, val, each = [], [], -(-len(x) // 32)
        for done in training(network, nn.CrossEntropyLoss(), optimizer, x, y, 32, epochs * each):
            if done % each == 0:
                test.append(accuracy(network, data.test_x, data.test_y))
                val.append(accuracy(network, held[0], held[1]))
        return test, val

    held = x[-HELD_OUT:], y[-HELD_OUT:]
    plain, _ = learn(0.0, x, y)
    dropped, _ = learn(0.5, x, y)
    fewer, val = learn(0.0, x[:-HELD_OUT], y[:-HELD_OUT])
    stop = val.index(max(val))
    return {
        "as it is": plain[-1],
        "dropout": dropped[-1],
        "early stopping": fewer[stop],
        "stopped after epoch": stop + 1,
        "best of all epochs": max(plain),
        "curves": {"as it is": plain, "dropout": dropped, "early stopping": fewer},
    }


def decide(numbers: Numbers) -> Verdict:
    plain, dropout, early = (numbers[name] for name in ("as it is", "dropout", "early stopping"))
    because = (
        f"test accuracy is {100 * plain:.1f} % as it is, {100 * dropout:.1f} % with dropout and {100 * early:.1f} % "
        f"stopped early (on {EXAMPLES - HELD_OUT} examples)",
        f"测试准确率：原样 {100 * plain:.1f}%，Dropout {100 * dropout:.1f}%，提前停止 {100 * early:.1f}%（只用 "
        f"{EXAMPLES - HELD_OUT} 个样本训练）",
    )
    works = [name for name in ("early stopping", "dropout") if numbers[name] - plain >= THRESHOLDS["gain"]]
    if len(works) == 2:
        return holds(because)
    if works:
        chinese = {"early stopping": "提前停止", "dropout": "Dropout"}[works[0]]
        return only_if((f"the remedy is {works[0]}", f"用的是{chinese}"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    names = {
        "as it is": (say("as it is", "原样"), RED),
        "dropout": (say("dropout 0.5", "Dropout 0.5"), BLUE),
        "early stopping": (say("160 examples,\n● stopped early", "160 个样本\n● 提前停止处"), GREEN),
    }
    for name, (label, colour) in names.items():
        for each in runs:
            curve = each["curves"][name]
            axes.plot(range(1, len(curve) + 1), curve, color=colour, lw=0.6, alpha=0.35, label="_")
            if name == "early stopping":
                axes.plot(each["stopped after epoch"], each[name], "o", color=colour, ms=6, label="_", zorder=5)
        mean = torch.tensor([each["curves"][name] for each in runs]).mean(0).tolist()
        axes.plot(range(1, len(mean) + 1), mean, color=colour, label=label, lw=2.2)
    axes.set_ylim(0.5, 0.95)
    panel(
        axes,
        "",
        say("epoch", "轮"),
        say("test accuracy, five seeds and their mean", "测试准确率（5 个随机种子及其均值）"),
    )
    label_ends(axes, 2.4)
