"""TODO."""

from pathlib import Path
from typing import Any

from lightning import LightningModule
from rich.console import Console
from rich.table import Table

from zoo.core.errors import listing


def shown(metric: str, value: float) -> str:
    return f"{value:.2%}" if metric.endswith(("accuracy", "exact_match")) else f"{value:.4g}"


def report(console: Console, title: str, metrics: Any, model: LightningModule, folder: Path | None) -> None:
    """The table at the end of a run, what its metric measures, and what lies where in the folder, if there is one."""
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
        "fit-profile.txt": "where the time went; test-profile.txt: in the test",
        "pictures": listing(sorted(path.name for path in (folder / "pictures").glob("*.png"))),
        "samples.txt": "what the model wrote after each epoch",
        "translations.txt": "the test sentences: source, = reference, > what the model made of it",
    }.items():
        if (folder / part).exists():
            console.print(f"  {part:16} {what}", soft_wrap=True, highlight=False)
