"""Adam first and SGD later ends better than either alone.

Notes:    003, line 145, which names SWATS (Keskar and Socher 2017).
Run:      a perceptron 64-32-10 on all 1 437 digits, 15 epochs in batches of 32: Adam and SGD with momentum 0.9, each at
          the better of two rates; Adam for five epochs and then that SGD; SWATS with a tolerance at which it does go
          over.
Number:   training loss and test accuracy at the end.
Decided:  better is a loss below 0.9 of the other's, with an accuracy not more than 0.005 below. Holds if the switch at
          epoch five is better than both alone, holds only against Adam (or SGD) alone where it is better than that one.
"""

from typing import Any

from zoo.claims.drawing import BLUE, GREEN, PURPLE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, mean_loss, perceptron, training

CHINESE = "前期用 Adam、后期切换到 SGD，最终结果比单用任何一个都好。"
SEEDS = 3
THRESHOLDS = {"share of the loss": 0.9, "accuracy lost": 0.005}
QUICK = {"epochs": 6, "switch": 2}
SGD = {"momentum": 0.9}
SWATS = {"lr": 0.003, "tolerance": 0.003}


def run(
    impl: Implementation,
    seed: int,
    epochs: int = 15,
    switch: int = 5,
    adam_rates: tuple[float, ...] = (0.003, 0.01),
    sgd_rates: tuple[float, ...] = (0.03, 0.1),
) -> dict[str, Any]:
    data, criterion = digits(), impl.nn.CrossEntropyLoss()
    each = -(-len(data.x) // 32)

    def learn(*parts: tuple[int, str, dict[str, Any]]) -> dict[str, Any]:
        """One optimizer after the other, for so many epochs each."""
        begin(seed)
        network = perceptron(impl.nn, [64, 32, 10])
        losses, switched = [mean_loss(network, criterion, data.x, data.y)], None
        for count, rule, options in parts:
            optimizer = impl.optimizer(rule, network, **options)
            for done in training(network, criterion, optimizer, data.x, data.y, 32, count * each):
                if done % each == 0:
                    losses.append(mean_loss(network, criterion, data.x, data.y))
                if rule == "SWATS" and switched is None and optimizer.param_groups[0]["sgd_lr"] is not None:
                    switched = done
        return {"losses": losses, "accuracy": accuracy(network, data.test_x, data.test_y), "switched": switched}

    def best(rule: str, rates: tuple[float, ...], options: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        trials = {rate: learn((epochs, rule, {"lr": rate, **options})) for rate in rates}
        return min(trials.items(), key=lambda trial: trial[1]["losses"][-1])

    adam_rate, adam = best("Adam", adam_rates, {})
    sgd_rate, sgd = best("SGD", sgd_rates, SGD)
    both = learn((switch, "Adam", {"lr": adam_rate}), (epochs - switch, "SGD", {"lr": sgd_rate, **SGD}))
    runs = {"Adam": adam, "SGD": sgd, "Adam, then SGD": both, "SWATS": learn((epochs, "SWATS", SWATS))}
    found: dict[str, Any] = {"curves": {name: result["losses"] for name, result in runs.items()}, "switch": switch}
    for name, result in runs.items():
        found[f"{name}: loss"], found[f"{name}: accuracy"] = result["losses"][-1], result["accuracy"]
    found["SWATS: switched at step"] = runs["SWATS"]["switched"] or float("inf")
    return found


def decide(numbers: Numbers) -> Verdict:
    def beats(other: str) -> bool:
        lower = numbers["Adam, then SGD: loss"] <= THRESHOLDS["share of the loss"] * numbers[f"{other}: loss"]
        lost = numbers[f"{other}: accuracy"] - numbers["Adam, then SGD: accuracy"]
        return lower and lost <= THRESHOLDS["accuracy lost"]

    names = ("Adam, then SGD", "Adam", "SGD")
    loss = [f"{numbers[f'{name}: loss']:.2g}" for name in names]
    right = [f"{100 * numbers[f'{name}: accuracy']:.1f} %" for name in names]
    because = (
        f"Adam, then SGD ends at a loss of {loss[0]} and {right[0]}; Adam alone at {loss[1]} and {right[1]}, SGD alone "
        f"at {loss[2]} and {right[2]}; SWATS goes over after {numbers['SWATS: switched at step']:.0f} steps and ends "
        f"at {numbers['SWATS: loss']:.2g}",
        f"先 Adam 后 SGD：损失 {loss[0]}、准确率 {right[0]}；只用 Adam：{loss[1]}、{right[1]}；只用 SGD：{loss[2]}、"
        f"{right[2]}；SWATS 在第 {numbers['SWATS: switched at step']:.0f} 步切换，最终损失 "
        f"{numbers['SWATS: loss']:.2g}",
    )
    beaten = [other for other in ("Adam", "SGD") if beats(other)]
    if len(beaten) == 2:
        return holds(because)
    if beaten:
        return only_if((f"it is compared with {beaten[0]} alone", f"对照的是单用 {beaten[0]}"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    labels = {
        "Adam": (RED, "Adam"),
        "SGD": (BLUE, say("SGD, momentum 0.9", "SGD，动量 0.9")),
        "Adam, then SGD": (GREEN, say("Adam, then SGD", "先 Adam 后 SGD")),
        "SWATS": (PURPLE, "SWATS"),
    }
    for name, (colour, label) in labels.items():
        for index, each in enumerate(runs):
            axes.plot(
                each["curves"][name], color=colour, label=label if index == 0 else "_", lw=1.8 if index == 0 else 0.7,
                alpha=1 if index == 0 else 0.45,
            )  # fmt: skip
    axes.axvline(runs[0]["switch"], color=GREEN, lw=0.8, ls=":")
    axes.set_yscale("log")
    panel(axes, "", say("epoch", "轮"), say("training loss", "训练损失"))
    label_ends(axes)
