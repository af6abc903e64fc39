"""On small data sets full-batch methods, conjugate gradient and L-BFGS, are the ones to take.

Notes:    003, line 169: below 10 000 examples.
Run:      a perceptron 64-32-10 on 600 digits. A pass is one forward and backward over all of them: an evaluation in a
          line search is one, an epoch of mini-batches is one. Against SGD with momentum 0.9 and Adam in batches of 32,
          each at the better of two rates.
Number:   the lowest training loss of the two full-batch methods over that of the two others, and the test accuracies,
          after 15 and after 60 passes.
Decided:  they win where the loss is at most the others' and the accuracy not more than 0.01 below. Holds if they win at
          both, holds only if there are many passes (few) where at one.
"""

from typing import Any

from zoo.claims.drawing import BLUE, GREEN, ORANGE, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, mean_loss, perceptron, step, training

CHINESE = "小数据集应当用 full-batch 方法，如共轭梯度、L-BFGS。"
SEEDS = 3
THRESHOLDS = {"accuracy lost": 0.01}
QUICK = {"few": 10, "many": 45, "examples": 300}
FULL = ("conjugate gradient", "L-BFGS")


def run(impl: Implementation, seed: int, few: int = 15, many: int = 60, examples: int = 600) -> dict[str, Any]:
    data, criterion = digits().first(examples), impl.nn.CrossEntropyLoss()

    def fresh() -> Any:
        begin(seed)
        return perceptron(impl.nn, [64, 32, 10])

    def look(network: Any) -> tuple[float, float]:
        return mean_loss(network, criterion, data.x, data.y), accuracy(network, data.test_x, data.test_y)

    def full(rule: str, **options: Any) -> list[tuple[float, float]]:
        """Loss and accuracy after every pass; within a line search those before it."""
        network, passes = fresh(), 0
        seen: list[tuple[float, float]] = []
        optimizer = impl.optimizer(rule, network, max_iter=1, max_eval=20, **options)

        def loss() -> Any:
            nonlocal passes
            passes += 1
            return criterion(network(data.x), data.y)

        now = look(network)
        while len(seen) <= many:
            before = passes
            step(optimizer, loss)
            if passes == before:
                break
            seen += [now] * (passes - before)
            now = look(network)
        return [*seen, now, *[now] * many][: many + 1]

    def mini(rule: str, rates: tuple[float, ...], **options: Any) -> list[tuple[float, float]]:
        trials = []
        each = -(-examples // 32)
        for rate in rates:
            network = fresh()
            optimizer = impl.optimizer(rule, network, lr=rate, **options)
            seen = [look(network)]
            for done in training(network, criterion, optimizer, data.x, data.y, 32, many * each):
                if done % each == 0:
                    seen.append(look(network))
            trials.append(seen)
        return min(trials, key=lambda seen: seen[-1][0])

    curves = {
        "conjugate gradient": full("ConjugateGradient"),
        "L-BFGS": full("LBFGS", line_search_fn="strong_wolfe"),
        "SGD": mini("SGD", (0.03, 0.1), momentum=0.9),
        "Adam": mini("Adam", (0.003, 0.01)),
    }
    found: dict[str, Any] = {"losses": {name: [loss for loss, _ in curve] for name, curve in curves.items()}}
    for passes in (few, many):
        for which in ("full", "mini"):
            group = [curve[passes] for name, curve in curves.items() if (name in FULL) == (which == "full")]
            found[f"{which}: loss after {passes} passes"], found[f"{which}: accuracy after {passes}"] = min(group)
    return found


def decide(numbers: Numbers) -> Verdict:
    few, many = [name.split()[3] for name in numbers if name.startswith("full: loss")]

    def wins(passes: str) -> bool:
        lost = numbers[f"mini: accuracy after {passes}"] - numbers[f"full: accuracy after {passes}"]
        full, mini = (numbers[f"{which}: loss after {passes} passes"] for which in ("full", "mini"))
        return full <= mini and lost <= THRESHOLDS["accuracy lost"]

    def text(passes: str) -> str:
        return " / ".join(
            f"{numbers[f'{which}: loss after {passes} passes']:.1g} "
            f"({100 * numbers[f'{which}: accuracy after {passes}']:.1f} %)"
            for which in ("full", "mini")
        )

    because = (
        f"loss and accuracy of the best full-batch and the best mini-batch method are {text(few)} after {few} passes, "
        f"{text(many)} after {many}",
        f"最好的 full-batch 与 mini-batch 方法的损失（准确率）：{few} 遍后 {text(few)}，{many} 遍后 {text(many)}",
    )
    if wins(few) and wins(many):
        return holds(because)
    if wins(many):
        return only_if(("there are many passes over the data", "遍历数据的次数足够多"), because)
    if wins(few):
        return only_if(("there are few passes over the data", "遍历数据的次数很少"), because)
    return fails(because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    axes = figure.subplots()
    names = {
        "conjugate gradient": (say("conjugate gradient,\nfull batch", "共轭梯度\n（full-batch）"), BLUE, "-"),
        "L-BFGS": (say("L-BFGS, full batch", "L-BFGS（full-batch）"), GREEN, "-"),
        "SGD": (say("SGD with momentum,\nbatches of 32", "SGD 动量\n（batch 32）"), RED, "--"),
        "Adam": (say("Adam, batches of 32", "Adam（batch 32）"), ORANGE, "--"),
    }
    for name, (label, colour, dash) in names.items():
        for index, each in enumerate(runs):
            axes.plot(
                each["losses"][name], color=colour, ls=dash, label=label if index == 0 else "_",
                lw=1.8 if index == 0 else 0.7, alpha=1 if index == 0 else 0.45,
            )  # fmt: skip
    axes.set_yscale("log")
    panel(axes, "", say("passes over the data", "遍历数据的次数"), say("training loss", "训练损失"))
    label_ends(axes, 2.4)
