"""The chapters: their tape, their notebooks, and their Chinese."""

import re

import pytest
import torch

pytest.importorskip("myst_nb", reason="the book's extra is not installed")
pytest.importorskip("jupytext", reason="the book's extra is not installed")

from book.code import notebooks, printed, translations
from book.code.graph import number, of_model, of_tape
from book.code.tape import Node, behind, call
from scratch.nn import functional as F
from scratch.ops.activation.sigmoid import TanhFn
from scratch.ops.linear import LinearFn
from scratch.ops.loss.cross_entropy import CrossEntropyFn
from zoo.mlp import MLP

CHAPTERS = sorted(notebooks.CHAPTERS.glob("*.md"))
by_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])


# ----------------------------------------------------------------------------------------------------------- the tape


def residual_network() -> tuple[list[Node], Node]:
    """tanh(X Wᵀ + b), read by a linear map, by the sum after it and by itself; its cross-entropy."""
    sizes = (4, 3), (3, 3), (3,), (3, 3), (3,)
    nodes = [Node(torch.randn(size, dtype=torch.float64), name) for size, name in zip(sizes, "XWbVc", strict=True)]
    h = call(TanhFn, call(LinearFn, *nodes[:3]), name="h")
    s = call(LinearFn, h, *nodes[3:]) + h * h
    return nodes, call(CrossEntropyFn, s, torch.tensor([0, 2, 1, 2]), None, -100, "mean", None)


def test_the_tape_gives_the_gradients_of_autograd():
    nodes, loss = residual_network()
    loss.backward()
    X, W, b, V, c = tensors = [node.value.clone().requires_grad_() for node in nodes]
    h = torch.nn.functional.linear(X, W, b).tanh()
    s = torch.nn.functional.linear(h, V, c) + h * h
    theirs = torch.autograd.grad(torch.nn.functional.cross_entropy(s, torch.tensor([0, 2, 1, 2])), tensors)
    for node, grad in zip(nodes, theirs, strict=True):
        torch.testing.assert_close(node.grad, grad, rtol=1e-10, atol=1e-14)


def test_every_adjoint_is_called_once_after_all_readers():
    _, loss = residual_network()
    asked = loss.backward()
    assert len(asked) == len({id(node) for node in asked}) == sum(node.op is not None for node in behind(loss))
    place = {id(node): i for i, node in enumerate(asked)}
    for node in asked:
        for source in node.inputs:
            if isinstance(source, Node) and source.op:
                assert place[id(source)] > place[id(node)]


def test_a_bias_that_is_broadcast_gets_a_sum():
    a, b = Node(torch.randn(4, 3)), Node(torch.randn(3))
    (a + b).backward()
    assert b.grad is not None
    assert b.grad.tolist() == [4, 4, 4]


def test_graphs_bear_values_and_gradients():
    _, loss = residual_network()
    loss.backward()
    box = of_tape(loss, number)
    assert box.value == f"{loss.value.item():.3g}"
    assert box.gradient == "1"
    model = MLP(layers="scratch.nn", width=4, depth=1, image_size=2)
    x, y = torch.randn(3, 4), torch.tensor([0, 1, 2])
    box = of_model(model.network, lambda: F.cross_entropy(model.network(x), y), number)
    (last,) = box.sources
    titles = [source.title for source in last.sources]
    assert (box.title, last.title, titles[1:]) == ("CrossEntropy", "Linear", ["3.weight", "3.bias"])
    assert last.sources[2].gradient == number(model.network[3].bias.grad)


# ------------------------------------------------------------------------------------------------------ notebooks


@by_chapter
def test_a_notebook_speaks_jupyters_markdown(path):
    text = "\n".join(cell.source for cell in notebooks.notebook(path).cells if cell.cell_type == "markdown")
    assert not re.findall(r"\{eq\}|:::|\.md\)|^\$\$ \(", text, re.MULTILINE)
    assert "(?)" not in text  # a reference to an equation that comes later, or never
    formulas = re.findall(r"^\$\$\n.*?^\$\$$", text, re.DOTALL | re.MULTILINE)
    assert all(r"\tag{" in formula for formula in formulas)


@pytest.mark.slow
@by_chapter
def test_a_notebook_runs_from_top_to_bottom(path, monkeypatch):
    before = torch.get_default_dtype()
    namespace: dict[str, object] = {}
    try:
        for cell in notebooks.notebook(path).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{path.name}: {cell.source[:40]!r}", "exec"), namespace)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.slow
def test_jupyter_runs_a_notebook():
    nbclient = pytest.importorskip("nbclient")
    found = notebooks.notebook(CHAPTERS[0])
    nbclient.NotebookClient(found, timeout=120, resources={"metadata": {"path": str(notebooks.CHAPTERS)}}).execute()
    said = "".join(o.get("text", "") for cell in found.cells for o in cell.get("outputs", []))
    assert "z = -1.2500" in said


# -------------------------------------------------------------------------------------------------------- Chinese

FORMULAS = re.compile(r"\$[^$]+\$|`[^`]+`|\{eq\}`[^`]+`|\]\([^)]+\)")
TRANSLATED = {"FOLDER": "文件夹"}  # of commands


def test_no_string_is_missing_or_stale():
    for path, strings in translations.wanted().items():
        known = translations.catalogue(path)
        assert not [text for text in strings if not known.get(text)], f"{path.name}: to be translated"
        assert not known.keys() - set(strings), f"{path.name}: gone from the chapters"


@pytest.mark.parametrize("path", sorted(translations.CATALOGUES.rglob("*.po")), ids=lambda path: path.stem)
def test_formulas_code_and_links_are_shared(path):
    for text, chinese in translations.catalogue(path).items():
        for english, other in TRANSLATED.items():
            text = text.replace(english, other)
        assert sorted(FORMULAS.findall(text)) == sorted(FORMULAS.findall(chinese)), text
        assert text.count("**") == chinese.count("**"), text


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("η = 0.1: more than 60 steps,  1 − ηλ = 0.9 and -1.0", "η = 0.1：超过 60 步，1 − ηλ = 0.9 和 -1.0"),
        ("momentum  first step ( 0.060, -0.420)   32 steps", "动量      第一步 ( 0.060, -0.420)   32 步"),
        ("d =    4 with    the root: largest weight 0.5, norm of the Jacobian 0.3",
         "d =    4 除以   根号：最大权重 0.5，雅可比矩阵的范数 0.3"),
        ("Adam 0.001", "Adam 0.001"),
    ],
)  # fmt: skip
def test_what_a_cell_prints_is_said_in_chinese(english, chinese):
    assert printed.in_chinese(english) == chinese


def test_messages_of_a_cell_are_its_texts_without_what_is_computed():
    cell = (
        """print(f"step {i + 1}: {'all' if a else f'{n} of ten'}", x, "done")\nprint("{:4} and {:.2f}".format(1, 2))"""
    )
    assert [*printed.messages(cell)] == ["all", "{0} of ten", "step {0}: {1}", "done", "{0} and {1}"]
