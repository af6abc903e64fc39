"""Examples small enough to follow by hand, computed when the book is built: by our own forward and backward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from docutils import nodes
from torch import Tensor

from scratch.nn import functional as F
from scratch.ops.attention.attention import probabilities, scores
from scratch.ops.graph_attention import attend, edge_scores, edge_softmax

from .words import word


@dataclass
class Example:
    """A call on small numbers, and the gradient that arrives at its output."""

    caption: str
    function: Callable[..., Tensor]
    inputs: dict[str, Tensor]
    upstream: Tensor
    between: Callable[..., dict[str, Tensor]] = field(default=lambda *_: {})
    output: str = "y"


def numbers(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def image(x: Tensor) -> Tensor:
    return x[None, None]


def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def attention_steps(q: Tensor, k: Tensor, v: Tensor) -> dict[str, Tensor]:
    X = scores(q[None, None], k[None, None], None, q.shape[-1] ** -0.5, False)
    return {"X": X[0, 0], "P": probabilities(X)[0, 0]}


EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # 0 – 1 – 2
LOOPS = F.with_loops(EDGES, 3)


def edge_weights(z: Tensor, a: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The scores and the weights of the edges of one head, (E, 1)."""
    e = F.leaky_relu(edge_scores(z[:, None], a, c, *LOOPS), 0.2)
    return e, edge_softmax(e, LOOPS.target, 3)


def attended_graph(z: Tensor, a: Tensor, c: Tensor) -> Tensor:
    return attend(edge_weights(z, a, c)[1], z[:, None], None, *LOOPS)


def graph_attention_steps(z: Tensor, a: Tensor, c: Tensor) -> dict[str, Tensor]:
    """Scores and weights as matrices: in row i and column j those of the edge j -> i."""
    found = {}
    for name, values in zip(("e", r"\alpha"), edge_weights(z, a, c), strict=True):
        found[name] = torch.full((3, 3), torch.nan, dtype=z.dtype)
        found[name][LOOPS.target, LOOPS.source] = values[:, 0].detach()
    return found


X4 = numbers([1, 3, 2, 0], [4, 2, 1, 1], [0, 1, 5, 2], [2, 2, 3, 6])
Q, K, V = numbers([1, 0], [1, 2]), numbers([1, 1], [0, 2], [-1, 0]), numbers([1, 0], [0, 1], [2, 2])
LINE = numbers([1, 4, 2, 3, 5, 0, 6])

EXAMPLES: dict[str, list[Example]] = {
    "linear": [
        Example("Two rows, two inputs, three outputs", F.linear,
                {"x": numbers([1, 2], [3, -1]), "W": numbers([1, 0], [2, 1], [0, -1]), "b": torch.tensor([0.0, 1,
                2]).double()},
                numbers([1, 0, 2], [0, 1, -1])),
    ],
    "softmax": [
        Example("One row, and a gradient that asks for more of the last", lambda x: F.softmax(x, -1),
                {"x": numbers([0, 1, 2])}, numbers([0, 0, 1])),
    ],
    "attention": [
        Example("Two queries, three keys and values", attended, {"q": Q, "k": K, "v": V}, numbers([1, 0], [0, 1]),
                attention_steps, "o"),
    ],
    "alignment": [
        Example("One query and two keys, a single hidden unit", lambda a, b, w: F.additive_scores(a[None], b[None],
        w)[0],
                {"a": numbers([0.5]), "b": numbers([0], [1]), "w": torch.tensor([2.0]).double()}, numbers([1, -1]),
                output="X"),
    ],
    "conv": [
        Example("One image, one kernel, stride 1, no padding",
                lambda x, W: F.conv2d(image(x), image(W))[0, 0],
                {"x": X4[:3, :3], "W": numbers([1, 0], [-1, 2])}, numbers([1, 0], [0, 2])),
    ],
    "conv_transpose": [
        Example("Each number puts down a copy of the kernel, stride 1",
                lambda x, W: F.conv_transpose2d(image(x), image(W))[0, 0],
                {"x": numbers([1, 2], [0, 3]), "W": numbers([1, 0], [-1, 2])}, numbers([1, 0, 0], [0, 1, 0], [0, 0,
                1])),
    ],
    "fold": [
        Example("Windows of two as columns", lambda x: F.unfold(x[None, None], (1, 2))[0], {"x": numbers([1, 4, 2, 3])},
                numbers([1, 2, 3], [4, 5, 6]), output="X"),
    ],
    "pad": [
        Example("A mirror at both ends", lambda x: F.pad(x[None], (2, 1), "reflect")[0], {"x": numbers([1, 4, 2, 3])},
                numbers([1, 2, 3, 4, 5, 6, 7])),
    ],
    "pool": [
        Example("Maximum, windows of 2 × 2", lambda x: F.max_pool2d(image(x), 2)[0, 0], {"x": X4}, numbers([1, 2],
        [3, 4])),
        Example("Mean, windows of 2 × 2", lambda x: F.avg_pool2d(image(x), 2)[0, 0], {"x": X4}, numbers([1, 2], [3,
        4])),
    ],
    "adaptive_pool": [
        Example("Three windows over seven numbers, which overlap", lambda x: F.adaptive_avg_pool1d(x[None], 3)[0],
                {"x": LINE}, numbers([1, 2, 3])),
    ],
    "lp_pool": [
        Example("The 2-norm of two numbers at a time", lambda x: F.lp_pool1d(x[None], 2, 2)[0],
                {"x": numbers([3, 4, 6, 8])}, numbers([1, 2])),
    ],
    "max_unpool": [
        Example("Two maxima back at the places 1 and 2", lambda x: F.max_unpool1d(x[None], torch.tensor([[[1, 2]]]),
        2)[0],
                {"x": numbers([5, 7])}, numbers([1, 2, 3, 4])),
    ],
    "embedding": [
        Example("Rows 2, 0 and 2 again", lambda W: F.embedding(torch.tensor([2, 0, 2]), W),
                {"W": numbers([1, 2], [3, 4], [5, 6])}, numbers([1, 0], [0, 1], [2, 2])),
    ],
    "graph": [
        Example("Three nodes in a row, 0 – 1 – 2, with one feature",
                lambda x, W: F.gcn_conv(x, F.gcn_adjacency(EDGES, 3, dtype=torch.float64), W),
                {"X": numbers([1], [2], [4]), "W": numbers([3])}, numbers([1], [0], [-1]),
                lambda x, W: {r"\hat{A}": F.gcn_adjacency(EDGES, 3, dtype=torch.float64).to_dense()}, "Y"),
    ],
    "graph_attention": [
        Example("The same three nodes, one head of one feature: scores behind LeakyReLU, and weights, of the edge "
                "j -> i in row i and column j", attended_graph,
                {"z": numbers([1], [2], [4]), "a": numbers([1]), "c": numbers([-1.5])}, numbers([1], [0], [-1]),
                graph_attention_steps, "y"),
    ],
    "layer_norm": [
        Example("One row of three numbers", lambda x, w: F.layer_norm(x, (3,), w, None, 0.0),
                {"x": numbers([1, 2, 6]), "w": torch.tensor([1.0, 1, 2]).double()}, numbers([1, 0, 0])),
    ],
}  # fmt: skip


def number(value: float) -> str:
    """3, −½ as 3, -\\tfrac12; what is no small fraction with three digits; a dot where there is none."""
    if value != value:
        return r"\cdot"
    near = Fraction(value).limit_denominator(9)
    if abs(float(near) - value) < 1e-12:
        if near.denominator == 1:
            return str(near.numerator)
        return f"{'-' if near < 0 else ''}\\tfrac{{{abs(near.numerator)}}}{{{near.denominator}}}"
    return f"{value:.3f}"


def matrix(x: Tensor) -> str:
    rows = x.detach().reshape(1, -1) if x.dim() < 2 else x.detach()
    return (
        r"\begin{pmatrix}" + r" \\ ".join(" & ".join(number(float(v)) for v in row) for row in rows) + r"\end{pmatrix}"
    )


def barred(name: str) -> str:
    return rf"\bar{{{name}}}"


def worked(example: Example) -> list[str]:
    """The formulas of an example, in their order: inputs, what is in between, output, gradients."""
    inputs = {name: x.clone().requires_grad_() for name, x in example.inputs.items()}
    y = example.function(*inputs.values())
    gradients = torch.autograd.grad(y, list(inputs.values()), example.upstream.reshape(y.shape))
    shown = {**inputs, **example.between(*inputs.values()), example.output: y, barred(example.output): example.upstream}
    shown |= {barred(name): gradient for name, gradient in zip(inputs, gradients, strict=True)}
    return [f"{name} = {matrix(x)}" for name, x in shown.items()]


def example_nodes(stem: str) -> list[nodes.Node]:
    found: list[nodes.Node] = []
    for example in EXAMPLES.get(stem, []):
        found.append(nodes.paragraph("", word(example.caption) + ".", classes=["told"], translatable=False))
        row = nodes.container(classes=["example"])
        for formula in worked(example):
            row += nodes.inline("", "", nodes.math(formula, formula), classes=["cell"])
        found.append(row)
    if found:
        found.insert(0, nodes.rubric("", word("An example by hand"), classes=["label"]))
    return found
