"""A model built from an implementation and from a reference, compared layer by layer: does it compute the same?"""

import warnings
from itertools import islice
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from scratch.testing import Row, compare_networks
from zoo.core.errors import whole
from zoo.training.build import build_data, build_model, with_impl

COLUMNS = {  # heading: the kinds of rows it sums up
    "forward": ("forward",),
    "gradient": ("gradient",),
    "after training": ("parameter", "buffer", "loss"),
    "optimizer state": ("state",),
}


def verify(config: DictConfig) -> bool:
    """Compare, print the table, and return whether all is equal within the tolerance of `scratch.testing`.

    Both models start from the same weights and see the same batches of real data, in float64: the outputs of every
    layer and the gradient of every parameter on the first batch, then parameters and optimizer state after each of
    ``config.steps`` training steps.
    """
    warnings.filterwarnings("ignore", message=".*self.log.*")
    whole("steps", config.steps, 0)
    whole("batches", config.batches, 1)
    for name, value in config.small.items():
        if name in config.data:
            config.data[name] = value
    data = build_data(config)
    loader = data.train_dataloader()
    batches = [data.on_after_batch_transfer(batch, 0) for batch in islice(loader, config.batches)]
    ours, theirs = (build_model(with_impl(config, impl), data.facts) for impl in (config.impl, config.reference))
    make = None if config.steps == 0 else (new_optimizer, new_optimizer)
    rows = compare_networks(ours, theirs, loss, batches, make, steps=config.steps, seed=config.seed)
    show(Console(), config, rows, layers_of(theirs))
    return all(row.equal for row in rows)


def loss(model: Any, batch: Any) -> Any:
    """The training loss of a model on a batch."""
    return model.training_step(batch, 0)


def new_optimizer(model: Any) -> Any:
    """The optimizer that a model was built with."""
    return model.new_optimizer()


def layers_of(model: Any) -> dict[str, str]:
    """The innermost modules, which compute something themselves: path -> class."""
    return {
        path: type(module).__name__
        for path, module in model.named_modules()
        if not list(module.children()) and not type(module).__module__.startswith("torchmetrics")
    }


def show(console: Console, config: DictConfig, rows: list[Row], layers: dict[str, str]) -> None:
    """Print the table, a row for each layer, and the first difference."""

    def owner(row: Row) -> str:
        """The layer that a row is about; "" for the model as a whole."""
        path = row.name.split(":")[0].split(" ")[0]
        return path if path in layers else path.rpartition(".")[0] if path.rpartition(".")[0] in layers else ""

    table = Table(
        title=f"{config.impl.layers} and {config.impl.optim} against {config.reference.layers} and "
        f"{config.reference.optim}",
        caption=f"largest relative differences in float64; training: {config.steps} steps",
    )
    table.add_column("layer")
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    for path in sorted(dict.fromkeys(map(owner, rows)), key=lambda path: path == ""):  # in the order of the calls
        cells = []
        for kinds in COLUMNS.values():
            about = [row for row in rows if row.kind in kinds and owner(row) == path]
            largest = max((row.error for row in about), default=None)
            colour = "green" if all(row.equal for row in about) else "bold red"
            cells.append("" if largest is None else f"[{colour}]{largest:.1e}[/]")
        table.add_row(f"{path} {layers[path]}" if path else "the whole model", *cells)
    console.print(table)
    different = [row for row in rows if not row.equal]
    if not different:
        console.print(f"[green]equal[/]: {len(rows)} comparisons")
        return
    first = different[0]
    when = "" if first.step is None else f", step {first.step}"
    console.print(f"[bold red]different[/]: {len(different)} of {len(rows)} comparisons; the first: {first.kind}{when}")
    console.print(first.difference, highlight=False, markup=False)
