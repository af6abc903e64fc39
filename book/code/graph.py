"""Computation graphs, of a tape or of a PyTorch model, drawn with the values and gradients on them.

Time runs downwards: a box stands below all that it reads. Values are on the way down, gradients on the way up.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor
from torch.nn import Module

from book.code.pictures import new_figure
from book.code.tape import Node, behind, is_node
from zoo.claims.drawing import BLUE, GREY, INK, RED

ROOM = 0.62, 1.55  # inches of a row and of a column


@dataclass(eq=False)
class Box:
    """An op or an input, with what is written on it, and the boxes that it reads."""

    title: str
    value: str = ""
    gradient: str = ""
    sources: list["Box"] = field(default_factory=list)


def of_tape(last: Node, text: Callable[[Tensor], str]) -> Box:
    """The boxes behind a node of a tape, each tensor written as `text` has it."""
    boxes: dict[int, Box] = {}
    for node in behind(last):
        gradient = "" if node.grad is None else text(node.grad)
        made = (node.op.__name__.removesuffix("Fn") + "  ") if node.op else ""
        boxes[id(node)] = Box(made + node.name, text(node.value), gradient)
        boxes[id(node)].sources = [boxes[id(source)] for source in node.inputs if is_node(source)]
    return boxes[id(last)]


def of_model(model: Module, loss: Callable[[], Tensor], text: Callable[[Tensor], str]) -> Box:
    """The graph that PyTorch keeps of a loss of the model, after a backward pass through it. A box is what the engine
    calls; a parameter bears its name."""
    values: dict[Any, str] = {}

    def note(module: Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.grad_fn is not None:
            values[output.grad_fn] = text(output)

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    result = loss()
    for hook in hooks:
        hook.remove()
    names = {parameter: name for name, parameter in model.named_parameters()}
    boxes: dict[Any, Box] = {}

    def visit(function: Any) -> Box:
        if function in boxes:
            return boxes[function]
        parameter = getattr(function, "variable", None)
        title = re.sub(r"(Fn)?Backward\d*$", "", function.name()) if parameter is None else names[parameter]
        box = boxes[function] = Box(title, values.get(function, "") if parameter is None else text(parameter))

        def arrived(*gradients: Any) -> None:
            known = next((g for g in gradients[-1] if g is not None), None)
            box.gradient = "" if known is None else text(known)

        if parameter is None:
            function.register_hook(arrived)
        box.sources = [visit(source) for source, _ in function.next_functions if source is not None]
        return box

    end = visit(result.grad_fn)
    end.value = text(result)
    result.backward()
    for function, box in boxes.items():
        if getattr(function, "variable", None) is not None:
            box.gradient = text(function.variable.grad)
    return end


def places(end: Box) -> dict[Box, tuple[float, int]]:
    """Column and row of every box: what something is made of stands in the middle, inputs beside their readers."""
    rows: dict[Box, int] = {}
    readers: dict[Box, list[Box]] = {}

    def depth(box: Box) -> int:
        if box not in rows:
            rows[box] = 1 + max((depth(source) for source in box.sources), default=-1)
            for source in box.sources:
                readers.setdefault(source, []).append(box)
        return rows[box]

    depth(end)
    for box in rows:
        if not box.sources:
            rows[box] = min(rows[reader] for reader in readers[box]) - 1
    columns: dict[Box, float] = {}
    for row in range(max(rows.values()) + 1):
        level = [box for box in rows if rows[box] == row]
        made, given = [box for box in level if box.sources], [box for box in level if not box.sources]
        if made and len(given) > 1:  # parameters on both sides of the op that they are read with
            level = [given[0], *made, *given[1:]]
        else:
            level = made + given
        for number, box in enumerate(level):
            columns[box] = number - (len(level) - 1) / 2
    return {box: (columns[box], row) for box, row in rows.items()}


def draw(end: Box) -> Figure:
    """The graph: on each box its value in black and the gradient that arrives there in red."""
    at = places(end)
    wide = 1 + 2 * max(abs(column) for column, _ in at.values())
    tall = 1 + max(row for _, row in at.values())
    figure = new_figure(max(3.2, ROOM[1] * wide), ROOM[0] * tall)
    axes = figure.add_subplot()
    for box, (column, row) in at.items():
        axes.add_patch(FancyBboxPatch(
            (column - 0.46, row - 0.28), 0.92, 0.56, boxstyle="round,pad=0,rounding_size=0.06", lw=1, zorder=2,
            fc="#eaf2f8" if box.sources else "#f6f6f6", ec=BLUE if box.sources else GREY, mutation_aspect=2.5,
        ))  # fmt: skip
        write = partial(axes.text, ha="center", va="center", zorder=3)
        write(column, row - 0.12, box.title, size=8.5, weight="bold", color=INK)
        shown = [(words, colour) for words, colour in ((box.value, INK), (box.gradient, RED)) if words]
        for place, (words, colour) in enumerate(shown):
            write(column + 0.46 * (place - (len(shown) - 1) / 2), row + 0.14, words, size=8, color=colour)
        for source in box.sources:
            x, y = at[source]
            arrow = {"arrowstyle": "-|>", "color": GREY, "lw": 1, "shrinkA": 0, "shrinkB": 0}
            if row - y > 1 and x == column:  # around the boxes between them
                arrow["connectionstyle"] = f"arc3,rad={0.7 / (row - y) + 0.1}"
                axes.annotate("", (column - 0.46, row), (x - 0.46, y), arrowprops=arrow, zorder=1)
            else:
                axes.annotate("", (column, row - 0.29), (x, y + 0.29), arrowprops=arrow, zorder=1)
    axes.set(xlim=(-wide / 2, wide / 2), ylim=(tall - 0.5, -0.5))
    axes.axis("off")
    return figure


def number(x: Tensor) -> str:
    """A number as it is, of a tensor its norm."""
    return f"{x.item():.3g}" if x.numel() == 1 else f"‖{x.norm():.2g}‖"


def numbers(x: Tensor) -> str:
    """The few numbers of a small tensor."""
    return ", ".join(f"{n:.2g}" for n in x.flatten().tolist())


def relative(worst: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The largest difference of pairs of tensors, relative to the largest number in each."""
    return max(float((a - b).abs().max() / b.abs().max().clamp_min(torch.finfo(b.dtype).tiny)) for a, b in worst)
