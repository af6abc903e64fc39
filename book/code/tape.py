"""A tape: an engine for backpropagation that calls the pages' own formulas, and nothing else of PyTorch's autograd.

    x, W, b = Node(x), Node(W), Node(b)
    loss = call(CrossEntropyFn, call(LinearFn, x, W, b), t, None, -100, "mean", None)
    loss.backward()
    W.grad

`call` is the forward pass of one op: it runs the page's ``value`` and writes down what it read. `Node.backward` is the
whole engine. The ops below the line are the two that have no page, because Python writes them as + and ×.
"""

from inspect import signature
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.function import Function


class Node:
    """A tensor on the tape: its numbers, the op that made it, what that op read, and the gradient that arrives here."""

    def __init__(self, value: Tensor, name: str = "", op: Any = None, inputs: tuple = (), known: dict | None = None):
        self.value, self.name, self.op, self.inputs = value, name, op, inputs
        self.known = known or {}  # inputs and outputs of the op by the names that its page gives them
        self.grad: Tensor | None = None

    def backward(self) -> list["Node"]:
        """Gradients of this number for all nodes behind it. Returns the nodes in the order in which they were asked."""
        self.grad = torch.ones_like(self.value)
        asked = [node for node in reversed(behind(self)) if node.op]
        for node in asked:  # whoever reads a node comes before it, so its gradient is complete by now
            for source, grad in node.sent():
                grad = unbroadcast(grad, source.value.shape)
                source.grad = grad if source.grad is None else source.grad + grad  # gradients add
        return asked

    def sent(self) -> list[tuple["Node", Tensor]]:
        """What the op's adjoint sends to each node that it read."""
        bars = {f"{name}_bar": torch.zeros_like(self.known[name]) for name in self.op.outputs}
        bars[f"{self.op.outputs[0]}_bar"] = self.grad
        known = self.known | bars
        grads = self.op.adjoint(*[known[name] for name in signature(self.op.adjoint).parameters])
        grads = iter(grads if isinstance(grads, tuple) else (grads,))
        moved = signature(self.op.tangent).parameters  # has x_dot for every input x that is differentiable
        pairs = zip(signature(self.op.value).parameters, self.inputs, strict=True)
        return [(x, g) for name, x in pairs if f"{name}_dot" in moved and (g := next(grads)) is not None and is_node(x)]

    def __add__(self, other: "Node") -> "Node":
        return call(AddFn, self, other)

    def __mul__(self, other: "Node") -> "Node":
        return call(MultiplyFn, self, other)


def call(op: Any, *inputs: Any, name: str = "") -> Node:
    """The forward pass of an op, written down."""
    numbers = [x.value if is_node(x) else x for x in inputs]
    found = op.value(*numbers)
    outputs = found if isinstance(found, tuple) else (found,)
    known = dict(zip([*signature(op.value).parameters, *op.outputs], [*numbers, *outputs], strict=True))
    return Node(outputs[0], name, op, inputs, known)


def behind(last: Node) -> list[Node]:
    """The nodes that the last one depends on and itself, each after all that it read: a topological order."""
    order: dict[int, Node] = {}

    def visit(node: Node) -> None:
        if id(node) not in order:
            for source in filter(is_node, node.inputs):
                visit(source)
            order[id(node)] = node

    visit(last)
    return list(order.values())


def is_node(x: Any) -> bool:
    return isinstance(x, Node)


# ------------------------------------------------------------------------------------------------- ops without a page


class AddFn(Function):
    @staticmethod
    def value(a, b):
        return a + b

    @staticmethod
    def tangent(a_dot, b_dot):
        return a_dot + b_dot

    @staticmethod
    def adjoint(y_bar):
        return y_bar, y_bar


class MultiplyFn(Function):
    @staticmethod
    def value(a, b):
        return a * b

    @staticmethod
    def tangent(a_dot, b_dot, a, b):
        return a_dot * b + a * b_dot

    @staticmethod
    def adjoint(y_bar, a, b):
        return y_bar * b, y_bar * a
