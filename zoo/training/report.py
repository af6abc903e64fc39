"""The table at the end of a run, and what is in its folder."""

from pathlib import Path
from typing import Any

from lightning import LightningModule
from rich.console import Console
from rich.table import Table

from zoo.core.errors import listing


def shown(metric: str, value: float) -> str:
    """The value as a text: accuracies in per cent, others to four digits."""
    return f"{value:.2%}" if metric.endswith(("accuracy", "exact_match")) else f"{value:.4g}"


def report(console: Console, title: str, metrics: Any, model: LightningModule, folder: Path | None) -> None:
    """Print the metrics as a table, and what each file in the run's folder is, if there is one.

    Below the table stands ``model.signature``, the exact definition of a metric, where the model has one.
    """
    table = Table(title=title, caption=getattr(model, "signature", None))
    table.add_column("metric")
    table.add_column("value", justify="right")
    for metric, value in metrics.items():
        table.add_row(metric, shown(metric, value))
    console.print(table)
    if folder is None:
        return
    console.print(f"Everything of this run is in {folder}:", soft_wrap=True)
    for part, what in {
        "checkpoints": "best.ckpt and last.ckpt",
        "csv/metrics.csv": "every measured number",
        "tensorboard": f"the same; look with: tensorboard --logdir {folder}",
        "metrics.json": "the numbers of the table above",
        "config.yaml": "the resolved configuration, and command.txt, the command",
        "record.json": "seed, versions, commit",
        "fit-profile.txt": "where the time of training went; test-profile.txt: that of the test",
        "pictures": listing(sorted(path.name for path in (folder / "pictures").glob("*.png"))),
        "samples.txt": "what the model wrote after each epoch",
        "translations.txt": "the test sentences: source, = reference, > the model's translation",
    }.items():
        if (folder / part).exists():
            console.print(f"  {part:16} {what}", soft_wrap=True, highlight=False)
