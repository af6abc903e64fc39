"""Export: the weights and the network of a trained model as files that need PyTorch, but not this program.

    best.safetensors    the state_dict: safetensors.torch.load_file(path)
    best.pt2            the forward pass, a program of torch.export: torch.export.load(path).module()(input)

A weight that two layers share is stored for each of them, so that the state_dict loads with ``strict=True``. The
program takes the inputs of the model: normalised images, token numbers, or the tensors of a graph one after the other.
It consists of the operations of the layers that it was exported with, which are all PyTorch's, and cannot be trained.
"""

import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from safetensors.torch import save
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.nn import Module

from zoo.core.errors import Failure
from zoo.core.files import write_whole
from zoo.training.as_trained import rebuilt
from zoo.training.checkpoint import kind_of, with_weights


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from tensors(part)


def with_tensors(value: Any, new: Iterator[Tensor]) -> Any:
    """Nested tuples of the same form with other tensors."""
    if isinstance(value, Tensor):
        return next(new)
    if isinstance(value, tuple):
        parts = [with_tensors(part, new) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


class Network(Module):
    """A model whose arguments are tensors: those in its own arguments `like`, nested tuples, in their order."""

    def __init__(self, model: Module, like: Any) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)  # since tracing changes the model
        self.like = with_tensors(like, (tensor.new_empty(0) for tensor in tensors(like)))

    def forward(self, *given: Tensor) -> Any:
        return self.model(*with_tensors(self.like, iter(given)))


def arguments(model: Any, data: Any) -> Any:
    """The arguments of the model for the first batch of the test data."""
    batch = data.on_after_batch_transfer(next(iter(data.test_dataloader())), 0)
    needed = [each for each in signature(model.forward).parameters.values() if each.default is each.empty]
    dtype = next(model.parameters()).dtype
    inputs = tuple(batch[: len(needed)])
    return with_tensors(inputs, (x.to(dtype) if x.is_floating_point() else x for x in tensors(inputs)))


@torch.no_grad()
def exported(model: Module, inputs: Any) -> ExportedProgram:
    """The network as a program, for any batch size, and any number of tokens, nodes and edges.

    Sizes stay fixed where torch.export finds that the program depends on them. Raises Failure, one line, where the
    network cannot be exported.
    """
    given = tuple(tensors(inputs))
    free = tuple(dict.fromkeys(range(1 if x.is_floating_point() else x.dim()), Dim.AUTO) for x in given)
    try:
        with redirect_stderr(io.StringIO()):  # torch.export prints the program up to the error
            program = torch.export.export(Network(model, inputs), given, dynamic_shapes=(free,))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise Failure(f"torch.export cannot make a program of {type(model).__name__}: {reason}") from error
    program.example_inputs = None  # they are examples from the data
    return program


@torch.no_grad()
def check(path: Path, model: Module, inputs: Any) -> None:
    """Load the program and compare its outputs with the model's. Raises Failure where they differ beyond rounding."""
    program = torch.export.load(path).module()
    theirs, ours = (tuple(tensors(value)) for value in (program(*tensors(inputs)), copy.deepcopy(model)(*inputs)))
    for index, (got, wanted) in enumerate(zip(theirs, ours, strict=True)):
        difference = float((got - wanted).abs().max()) / max(float(wanted.abs().max()), 1.0)
        if not difference <= 100 * torch.finfo(wanted.dtype).eps:
            raise Failure(f"{path}: output {index} differs from the model's by {difference:.1e}")


def sizes(program: ExportedProgram) -> str:
    """The shapes of inputs and outputs, such as (A, 1, 32, 32) -> (A, 10), with letters for variable sizes."""
    letters: dict[str, str] = {}

    def shape(name: Any) -> str:
        value = next(node.meta["val"] for node in program.graph.nodes if node.name == name)
        return f"({', '.join(map(letter, value.shape))})"

    def letter(size: Any) -> str:
        return str(size) if str(size).isdigit() else letters.setdefault(str(size), chr(ord("A") + len(letters)))

    signature = program.graph_signature
    given, made = (", ".join(map(shape, names)) for names in (signature.user_inputs, signature.user_outputs))
    limits = {str(symbol): limit.upper for symbol, limit in program.range_constraints.items()}
    largest = [
        f", {letters[size]} at most {limit}" for size, limit in limits.items() if size in letters and limit.is_Integer
    ]
    return f"{given} -> {made}{''.join(largest)}"


def export(config: DictConfig) -> None:
    """Write both files, named after the checkpoint, into its folder or config.to, and print what they hold."""
    warnings.filterwarnings("ignore")  # torch.export warns of fixed sizes, which `sizes` shows
    logging.getLogger("torch").setLevel(logging.CRITICAL)
    path, checkpoint, data, untrained = rebuilt(config)
    model, weights = with_weights(untrained, checkpoint), checkpoint["state_dict"]
    inputs = arguments(model, data)
    folder = path.parent if config.to is None else Path(config.to)
    console = Console()
    file = folder / f"{path.stem}.safetensors"
    about = {"model": kind_of(checkpoint), "hyper_parameters": json.dumps(checkpoint["hyper_parameters"])}
    write_whole(file, save({name: weight.clone() for name, weight in weights.items()}, {"format": "pt", **about}))
    console.print(f"{file}: {len(weights)} tensors", soft_wrap=True, highlight=False)
    file = folder / f"{path.stem}.pt2"
    program = exported(model, inputs)
    content = io.BytesIO()
    torch.export.save(program, content)
    write_whole(file, content.getbuffer())
    check(file, model, inputs)
    console.print(f"{file}: {sizes(program)}", soft_wrap=True, highlight=False)
