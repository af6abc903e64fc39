"""Draw docs/lenet.png: python docs/lenet.py RUN RUN, the folders of model=lenet with impl=scratch and impl=native."""

import csv
import sys
from pathlib import Path

from matplotlib.figure import Figure

from zoo.data.digits import Digits
from zoo.lenet import LeNet

INK, LIGHT, RED = "#222222", "#b8b8b8", "#c0392b"


def column(run: Path, name: str) -> tuple[list[int], list[float]]:
    """The steps and values of a metric."""
    with open(run / "csv" / "metrics.csv") as file:
        found = [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row[name]]
    steps, values = zip(*found, strict=True)
    return list(steps), list(values)


def main() -> None:
    ours, theirs = map(Path, sys.argv[1:])
    model = LeNet.load_from_checkpoint(ours / "checkpoints" / "best.ckpt", weights_only=True).eval()
    data = Digits(image_size=28, batch_size=16)
    data.prepare_data()
    data.setup("test")
    digit = next(iter(data.test_dataloader()))[0][4:5]
    first, activation = list(model.network)[:2]
    kernels = first.weight.detach()[:, 0]
    maps = activation(first(digit)).detach()[0]

    figure = Figure(figsize=(11, 3.3), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    axes = left.subplots(2, 7)
    left.suptitle("LeNet's first layer after training: kernels, and what they see", fontsize=10, color=INK)
    limit = float(kernels.abs().max())
    for above, below, kernel, seen in zip(*axes[:, 1:], kernels, maps, strict=True):
        above.imshow(kernel, cmap="RdGy", vmin=-limit, vmax=limit)
        below.imshow(seen, cmap="gray_r")
    axes[1, 0].imshow(digit[0, 0], cmap="gray_r")
    for place in axes.flat:
        place.set_axis_off()

    chart = right.subplots()
    for run, colour, width, label in ((theirs, LIGHT, 5, "PyTorch's layers"), (ours, RED, 1.2, "written by hand")):
        steps, values = column(run, "train/loss")
        chart.plot(steps, values, color=colour, linewidth=width, label=label)
    chart.set(xlabel="step", ylabel="loss", yscale="log")
    chart.set_title("the same seed: the same curve", fontsize=10, color=INK)
    chart.spines[["top", "right"]].set_visible(False)
    chart.legend(frameon=False)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main()
