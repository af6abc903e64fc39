"""Compare two networks of one topology: layer by layer, gradient by gradient, then trained side by side.

    rows = compare_networks(ours, theirs, loss, batches, (new_adam, new_torch_adam), steps=50)

Both start from the reference's weights, in float64, on copies: the caller's networks stay as they are. The rows
are plain data for a table, in the order of the network; `show` prints it, `require_equal_networks` raises where one
differs.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from scratch.testing.compare import Mismatch, mapped, require_equal
from scratch.testing.running import DOUBLE, copied, differentiable_leaves

TOLERANCE = 1e-9

Loss = Callable[[Any, Any], Tensor]  # (network, batch) -> a number
MakeOptimizer = Callable[[Any], Any]  # network -> optimizer, which may treat some of its parameters differently
FLOORS = {"state": 1e-6}  # squares of gradients are small; see compare.errors


@dataclass(frozen=True)
class Row:
    """One comparison: the largest relative error, and what it looks like where it is too large."""

    kind: str  # forward, gradient, backward; loss, parameter, buffer or state, after a training step
    name: str  # of the layer or tensor
    error: float
    difference: str = ""
    step: int | None = None  # the training step with the largest error

    @property
    def equal(self) -> bool:
        return self.error <= TOLERANCE


def _row(kind: str, name: str, actual: Any, expected: Any, step: int | None = None) -> Row:
    floor = FLOORS.get(kind, 1e-3)
    try:
        return Row(kind, name, require_equal(actual, expected, name, TOLERANCE, floor), step=step)
    except Mismatch as mismatch:
        return Row(kind, name, mismatch.error, str(mismatch), step)


def twins(candidate: Module, reference: Module) -> tuple[Module, Module]:
    """Copies of both in float64, with the reference's weights and in train mode."""
    ours, theirs = (copy.deepcopy(network).double().train() for network in (candidate, reference))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def _differentiate(network: Module, loss: Loss, batch: Any, seed: int) -> Tensor:
    torch.default_generator.manual_seed(seed)
    network.zero_grad()
    value = loss(network, mapped(DOUBLE, batch))
    value.backward()
    return value


def compare_layers(ours: Module, theirs: Module, loss: Loss, batch: Any, seed: int = 0) -> list[Row]:
    """The output of every layer, each time it is called, the gradient of every parameter, and, from the last layer to
    the first, the gradient that arrives at every output."""
    seen: list[dict[str, Any]] = []
    arrived: list[dict[str, Any]] = []
    for network in (ours, theirs):
        outputs: dict[str, Any] = {}
        arriving: dict[str, Any] = {}
        hooks = [
            module.register_forward_hook(_recorder(outputs, arriving, name)) for name, module in network.named_modules()
        ]
        _differentiate(network, loss, batch, seed)
        for hook in hooks:
            hook.remove()
        seen.append(outputs)
        arrived.append(arriving)
    rows = [_row("forward", name, seen[0][name], output) for name, output in seen[1].items() if name in seen[0]]
    gradients = [{name: p.grad for name, p in network.named_parameters()} for network in (ours, theirs)]
    rows += [_row("gradient", name, gradients[0][name], g) for name, g in gradients[1].items()]
    return rows + [_row("backward", name, arrived[0][name], g) for name, g in arrived[1].items() if name in arrived[0]]


def _recorder(outputs: dict[str, Any], arriving: dict[str, Any], name: str) -> Callable[..., None]:
    def record(module: Module, inputs: Any, output: Any) -> None:
        calls = sum(key.split(" ")[0] == name for key in outputs)
        key = f"{name or 'network'} (call {calls + 1})" if calls else name or "network"
        outputs[key] = copied(output)  # for the next layer may work in place
        for path, tensor in differentiable_leaves(output).items():
            place = key + path.removeprefix("output")
            tensor.register_hook(lambda grad, place=place: arriving.__setitem__(place, grad.detach().clone()))

    return record


def compare_training(
    ours: Module,
    theirs: Module,
    loss: Loss,
    batches: Sequence[Any],
    optimizers: tuple[MakeOptimizer, MakeOptimizer],
    steps: int = 50,
    seed: int = 0,
) -> list[Row]:
    """Loss, parameters, buffers and optimizer state after every step on the same batches; for each the worst step.

    The optimizers are given a closure, so that those which evaluate the loss several times can take part."""
    worst: dict[tuple[str, str], Row] = {}
    sides = [(network, make(network)) for network, make in zip((ours, theirs), optimizers, strict=True)]
    for step, batch in enumerate(islice(cycle(batches), steps)):
        found = []
        for network, optimizer in sides:
            value = optimizer.step(partial(_differentiate, network, loss, batch, seed + step))
            found.append(_snapshot(network, optimizer, value))
        for key, expected in found[1].items():
            row = _row(*key, found[0].get(key), expected, step)
            if key not in worst or not row.error <= worst[key].error:
                worst[key] = row
    return list(worst.values())


def _snapshot(network: Module, optimizer: Optimizer, loss: Any) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {("loss", "loss"): copied(loss)}
    for name, parameter in network.named_parameters():
        found["parameter", name] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            found["state", f"{name}: {key}"] = value
    found |= {("buffer", name): buffer for name, buffer in network.named_buffers()}
    return found


def compare_networks(
    candidate: Module,
    reference: Module,
    loss: Loss,
    batches: Sequence[Any],
    optimizers: tuple[MakeOptimizer, MakeOptimizer] | None = None,
    steps: int = 50,
    seed: int = 0,
) -> list[Row]:
    """All of it: forward and gradient rows on the first batch, then, given optimizers, the training's."""
    with torch.random.fork_rng(devices=[]):
        rows = compare_layers(*twins(candidate, reference), loss, batches[0], seed)
        if optimizers is not None:
            rows += compare_training(*twins(candidate, reference), loss, batches, optimizers, steps, seed)
    return rows


def require_equal_networks(*args: Any, **kwargs: Any) -> float:
    """`compare_networks`, raising `Mismatch` where a row differs. Returns the largest relative error."""
    rows = compare_networks(*args, **kwargs)
    for row in rows:
        if not row.equal:
            when = "" if row.step is None else f" after step {row.step}"
            raise Mismatch(f"{row.kind}{when}: {row.difference}")
    return max((row.error for row in rows), default=0.0)


# ------------------------------------------------------------------------------------------------------ to look at

COLUMNS = {  # heading: the kinds of rows it sums up
    "forward": ("forward",),
    "gradient": ("gradient",),
    "backward": ("backward",),
    "after training": ("parameter", "buffer", "loss"),
    "optimizer state": ("state",),
}


def layers_of(network: Module) -> dict[str, str]:
    """The modules that compute something themselves: path -> class."""
    return {
        path: type(module).__name__
        for path, module in network.named_modules()
        if not list(module.children()) and not type(module).__module__.startswith("torchmetrics")
    }


def show(console: Console, rows: list[Row], layers: dict[str, str], title: str, steps: int) -> None:
    """A line for each layer with its largest relative differences, and the first place that differs, in the forward
    and in the backward pass."""

    def owner(row: Row) -> str:
        """The layer that a row is about; "" for the network as a whole."""
        path = row.name.split(":")[0].split(" ")[0].split("[")[0]
        return path if path in layers else path.rpartition(".")[0] if path.rpartition(".")[0] in layers else ""

    table = Table(title=title, caption=f"largest relative differences in float64; training: {steps} steps")
    table.add_column("layer")
    present = {heading: kinds for heading, kinds in COLUMNS.items() if any(row.kind in kinds for row in rows)}
    for heading in present:
        table.add_column(heading, justify="right")
    for path in sorted(dict.fromkeys(map(owner, rows)), key=lambda path: path == ""):  # in the order of the calls
        cells = []
        for kinds in present.values():
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
    backward = [row for row in rows if row.kind == "backward"]
    wrong = next((place for place, row in enumerate(backward) if not row.equal), None)
    if wrong is not None:
        names = [f"{row.name} {layers.get(owner(row), '')}".strip() for row in backward]
        after = f"right at the output of {names[wrong - 1]}, " if wrong else ""
        console.print(f"backward: the gradient is {after}wrong at the output of {names[wrong]}", highlight=False)
        console.print(backward[wrong].difference, highlight=False, markup=False)
