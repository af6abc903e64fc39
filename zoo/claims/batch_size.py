"""Batches that are too small may not converge, and batches that are too large reach a worse optimum.

Notes:    003, line 257, step 2 of the tuning recipe.
Run:      a perceptron 64-32-10 on 400 digits, batches of 1, 4, 32 and 400: (a) ten epochs at one rate, that of 1, 0.1,
          0.01 with which batches of 32 end lowest, as the recipe has it; (b) 250 steps, the rate tuned for each size.
Number:   test accuracy.
Decided:  a size is worse if it is 0.02 below the best size. Holds if the smallest and the largest are worse in (a) and
          (b); holds only if rate and epochs are kept where they are in (a) alone, or the largest alone is.
"""

from typing import Any

import torch

from zoo.claims.drawing import BLUE, RED, Figure, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, accuracy, begin, digits, mean_loss, perceptron, train

CHINESE = "batch 太小可能不收敛，太大则收敛不到最优值。"
SEEDS = 3
THRESHOLDS = {"worse": 0.02}
QUICK = {"steps": 100, "epochs": 6, "sizes": (1, 32, 200), "rates": (0.1, 1.0)}
RATES_AT_32 = (1.0, 0.1, 0.01)


def run(
    impl: Implementation,
    seed: int,
    sizes: tuple[int, ...] = (1, 4, 32, 400),
    epochs: int = 10,
    steps: int = 250,
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0),
) -> dict[str, Any]:
    examples = max(sizes)
    data = digits().first(examples)
    criterion = impl.nn.CrossEntropyLoss()

    def trained(size: int, rate: float, steps: int) -> Any:
        begin(seed)
        network = perceptron(impl.nn, [64, 32, 10])
        train(network, criterion, impl.optimizer("SGD", network, lr=rate), data.x, data.y, size, steps)
        return network

    def right(network: Any) -> float:
        return accuracy(network, data.test_x, data.test_y)

    def rounds(size: int) -> int:
        return epochs * -(-examples // size)

    losses = {rate: mean_loss(trained(32, rate, rounds(32)), criterion, data.x, data.y) for rate in RATES_AT_32}
    kept = min(losses, key=lambda rate: losses[rate] if losses[rate] == losses[rate] else torch.inf)
    by_epochs = [right(trained(size, kept, rounds(size))) for size in sizes]
    by_steps = [max(right(trained(size, rate, steps)) for rate in rates) for size in sizes]
    return {
        "epochs, smallest": by_epochs[0],
        "epochs, best": max(by_epochs),
        "epochs, largest": by_epochs[-1],
        "steps, smallest": by_steps[0],
        "steps, best": max(by_steps),
        "steps, largest": by_steps[-1],
        "rate": kept,
        "sizes": list(sizes),
        "by epochs": by_epochs,
        "by steps": by_steps,
    }


def decide(numbers: Numbers) -> Verdict:
    def worse(how: str, which: str) -> bool:
        return numbers[f"{how}, best"] - numbers[f"{how}, {which}"] >= THRESHOLDS["worse"]

    def text(how: str) -> str:
        return " / ".join(f"{numbers[f'{how}, {which}']:.2f}" for which in ("smallest", "best", "largest"))

    because = (
        f"accuracy of smallest, best and largest batch is {text('epochs')} with equal epochs and one rate, "
        f"{text('steps')} with equal steps and tuned rates",
        f"最小、最佳、最大 batch 的准确率：同轮数同学习率 {text('epochs')}，同步数各调学习率 {text('steps')}",
    )
    small, large = worse("epochs", "smallest"), worse("epochs", "largest")
    if not large:
        return fails(because)
    if small and worse("steps", "smallest") and worse("steps", "largest"):
        return holds(because)
    if small:
        return only_if(("rate and number of epochs are kept", "学习率和轮数保持不变"), because)
    return only_if(
        (
            "the batch is the large one, and rate and number of epochs are kept",
            "说的是大 batch，并且学习率和轮数保持不变",
        ),
        because,
    )


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    titles = {
        "by epochs": say(f"Ten epochs, rate {runs[0]['rate']:g}", f"10 轮，学习率 {runs[0]['rate']:g}"),
        "by steps": say("250 steps, rate tuned for each", "250 步，各自调学习率"),
    }
    for axes, (name, title), colour in zip(panels, titles.items(), (RED, BLUE), strict=True):
        for each in runs:
            axes.plot(each["sizes"], each[name], "o-", color=colour, alpha=0.6, ms=5)
        axes.set_xscale("log")
        axes.set_xticks(runs[0]["sizes"], [str(size) for size in runs[0]["sizes"]])
        axes.minorticks_off()
        panel(axes, title, say("examples in a batch (400: all)", "batch 大小（400 为全部）"))
    panels[0].set_ylabel(say("test accuracy", "测试准确率"))
