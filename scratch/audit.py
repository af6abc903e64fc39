"""What a model leaves to torch's own kernels.

    for line in audit(model, images):  # where the model asks torch for a layer, and for which
        print(line)

What is primitive, and so nothing that is left, `scratch.primitive` says.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, resolve_name
from torch.utils._pytree import tree_leaves

from scratch.convert import by_hand, functions
from scratch.primitive import Audit

MARK = "scratch.audit"  # under which a node of autograd's graph knows its place in the code


def audit(model: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
    """What the call ``model(*args, **kwargs)`` and its backward pass leave to torch: a line for each place in the
    code, with the module it works for, the functions that have a counterpart in scratch.nn.functional, and the kernels
    that are not primitive. Where nothing is left the list is empty.

    `convert` exchanges the layers, `by_hand` the functions; under ``with by_hand():`` what it exchanges is not listed.
    The model runs as it is, in training or not; its buffers, its gradients and the random numbers are as before.
    """
    observer = Observer(model)
    buffers = list(model.buffers()) if isinstance(model, Module) else []
    before = [buffer.clone() for buffer in buffers]
    with torch.random.fork_rng(), torch.enable_grad(), observer, Kernels(observer):
        outputs = [t for t in tensors(model(*args, **kwargs)) if t.requires_grad]
        nodes = [torch.autograd.graph.get_gradient_edge(t).node for t in outputs]
        leaves = [node.variable for node in ancestors(nodes) if hasattr(node, "variable")]
        if leaves:
            torch.autograd.grad(outputs, leaves, [torch.ones_like(t) for t in outputs], allow_unused=True)
    with torch.no_grad():
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
    return [f"{place}: {', '.join(names)}" for place, names in observer.lines.items()]


class Observer(TorchFunctionMode):
    """Notes which functions of torch are called where, and marks what they leave in autograd's graph with the place."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.names = {child: name for name, child in model.named_modules()} if isinstance(model, Module) else {}
        self.running: list[Module] = []
        self.lines: dict[str, dict[str, None]] = {}

    def __enter__(self) -> Any:
        self.handles = [
            register_module_forward_pre_hook(self.entered),
            register_module_forward_hook(self.left, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def entered(self, module: Module, args: Any) -> None:
        self.running.append(module)

    def left(self, module: Module, args: Any, output: Any) -> None:
        self.running.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ours, where = self.place()
        exchanged = any(isinstance(mode, by_hand) for mode in _get_current_function_mode_stack())
        if not ours and not exchanged and func in functions():
            self.note(where, resolve_name(func))
        result = func(*args, **(kwargs or {}))
        for node in ancestors([t.grad_fn for t in tensors(result)], unmarked=True):
            node.metadata[MARK] = where
        return result

    def place(self) -> tuple[bool, str]:
        """Whether it is scratch that calls torch now; and from where, in words."""
        frame: Any = sys._getframe(1)
        while frame.f_back and module_of(frame).startswith(
            ("torch.", "contextlib", "scratch.audit", "scratch.convert", "scratch.primitive")
        ):
            frame = frame.f_back
        code = Path(frame.f_code.co_filename)
        where = f"{code.parent.name}/{code.name}:{frame.f_lineno}"
        if self.running:
            module = self.running[-1]
            where = f"{self.names.get(module, '')} ({type(module).__name__}), {where}".lstrip()
        return module_of(frame).startswith("scratch."), where

    def note(self, where: str, what: str) -> None:
        self.lines.setdefault(where, {})[what] = None


class Kernels(Audit):
    """Notes every kernel that is not primitive: in the backward pass under the place of its forward pass."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self.observer = observer

    def found(self, name: str) -> None:
        node: Any = torch._C._current_autograd_node()
        where = node.metadata.get(MARK) if node is not None else None
        self.observer.note(where or self.observer.place()[1], name)


def module_of(frame: Any) -> str:
    return frame.f_globals.get("__name__", "")


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in an output, and in the dataclasses that some models return."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors(list(vars(leaf).values()))


def ancestors(nodes: list[Any], unmarked: bool = False) -> Iterator[Any]:
    """Nodes of autograd's graph and all that they depend on; if so wanted no further than those that have a mark."""
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen or (unmarked and MARK in node.metadata):
            continue
        seen.add(node)
        yield node
        nodes.extend(parent for parent, _ in node.next_functions)
