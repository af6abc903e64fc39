"""A GPU that is not there: tensors that have a device, a type and a shape, but no numbers.

PyTorch computes the shape and the device of every result, and refuses what would need numbers: to read one, or a result
whose shape depends on them. On a GPU, the host would wait for all that it was given to do before. So a step that runs
on such tensors keeps the GPU busy, and asks nothing of the CPU's memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.nn import Module, Parameter
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cuda", 0)


class Waits(AssertionError):
    """The host would wait for the GPU, or compute itself."""


class OnlyOn(TorchDispatchMode):
    """Refuses what works on tensors of the host: but on single numbers, which a kernel takes as its arguments, on new
    ones, and on whole numbers among themselves, such as the counts of sequences."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        found = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        host = [t for t in found if t.device.type == "cpu" and t.dim()]
        if name.startswith(("mkldnn", "onednn")):
            raise Waits(f"{name} is a kernel of the CPU")
        if host and any(t.device.type == "cuda" for t in found):
            raise Waits(f"{name} takes a tensor of the host of shape {tuple(host[0].shape)}")
        if any(t.is_floating_point() for t in host):
            raise Waits(f"{name} computes on the host, with a tensor of shape {tuple(host[0].shape)}")
        to = torch.device((kwargs or {}).get("device") or "cpu")
        if found and to.type == "cuda" and all(t.device.type == "cpu" for t in found):
            raise Waits(f"a tensor of shape {tuple(found[0].shape)} is copied from the host")
        try:
            if found and not any(isinstance(t, FakeTensor) for t in found):  # numbers that the host has
                with unset_fake_temporarily():
                    return func(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise Waits(f"the host waits for a number of the GPU: {error}") from error


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """A context with a GPU that is not there, in which ops take its tensors for ones with numbers."""
    with monkeypatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True) as mode:
        patch.setattr("scratch.ops.core.function.FakeTensor", ())
        yield mode


def moved(value: Any, mode: FakeTensorMode) -> Any:
    """The nested value with every tensor, and every Module's, on the pretended GPU; the lengths of packed sequences,
    which belong to the host, as they are."""

    def to_device(t: Tensor) -> Tensor:
        return mode.from_tensor(t.detach()).to(DEVICE).requires_grad_(t.requires_grad)

    if isinstance(value, PackedSequence):
        data, sizes, *orders = value
        return type(value)(to_device(data), sizes, *(order if order is None else to_device(order) for order in orders))
    if type(value) in (tuple, list):
        return type(value)(moved(item, mode) for item in value)
    if isinstance(value, dict):
        return {key: moved(item, mode) for key, item in value.items()}
    return to_device(value) if isinstance(value, Tensor) else value


def move_module(module: Module, mode: FakeTensorMode) -> None:
    """Exchange parameters and buffers; those that are shared stay so."""
    known: dict[int, Any] = {}
    for part in module.modules():
        for name, p in part._parameters.items():
            if p is not None:
                if id(p) not in known:
                    known[id(p)] = Parameter(moved(p.data, mode), p.requires_grad)
                part._parameters[name] = known[id(p)]
        for name, b in part._buffers.items():
            if b is not None:
                part._buffers[name] = moved(b, mode)


def gradients(outputs: Sequence[Tensor], upstream: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The gradients of all leaves. It calls the backward of each node of the graph itself, since autograd's own engine
    asks for a stream of the GPU."""
    order: list[Any] = []
    seen = set()

    def visit(root: Any) -> None:
        waiting = [(root, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
            elif node is not None and node not in seen:
                seen.add(node)
                waiting.append((node, True))
                waiting.extend((parent, False) for parent, _ in node.next_functions)

    arrived: dict[tuple[Any, int], Tensor] = {}

    def add(node: Any, place: int, grad: Tensor | None) -> None:
        if node is not None and grad is not None:
            before = arrived.get((node, place))
            arrived[node, place] = grad if before is None else before + grad

    for y, grad in zip(outputs, upstream, strict=True):
        edge = torch.autograd.graph.get_gradient_edge(y)
        visit(edge.node)
        add(edge.node, edge.output_nr, grad)
    found: dict[Tensor, Tensor] = {}
    with torch.no_grad():
        for node in reversed(order):
            shapes = [m.shape for m in node._input_metadata]
            grads = [arrived.get((node, place)) for place in range(len(shapes))]
            grads = [g if g is None else g.sum_to_size(shape) for g, shape in zip(grads, shapes, strict=True)]
            if all(grad is None for grad in grads):
                continue
            if hasattr(node, "variable"):
                found[node.variable] = grads[0]
                continue
            if isinstance(node, torch.autograd.function.BackwardCFunction):
                kinds = zip(grads, node._input_metadata, strict=True)
                grads = [torch.zeros(m.shape, dtype=m.dtype, device=DEVICE) if g is None else g for g, m in kinds]
                back = node.apply(*grads)
            else:
                back = node(*grads)
            back = back if isinstance(back, tuple) else (back,)
            parents = node.next_functions
            if hasattr(node, "needs_input_grad"):  # a Function's; its other arguments may not be tensors
                back = [grad for grad, needed in zip(back, node.needs_input_grad, strict=True) if needed]
                parents = [(parent, place) for parent, place in parents if parent is not None]
            for (parent, place), grad in zip(parents, back, strict=True):
                add(parent, place, grad)
    return found
