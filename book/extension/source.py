"""The code of a page, in three parts: the textbook form, faster forms, and what checks the arguments and calls them.

The parts are found in the syntax tree: the textbook form is value, tangent and adjoint and all that they call; what is
left is faster, unless it is a public function.
"""

import ast
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

METHODS = {"value", "tangent", "adjoint", "derivative", "derivatives", "loss", "jvp"}
CITED = re.compile(r"\((\d+′?)\)(?:(?: to |-)\((\d+)\))?")
Span = tuple[int, int]  # first and last line, both included


@dataclass
class Parts:
    """Lines of a file, by what they do."""

    textbook: list[Span]
    fast: list[Span]
    calling: list[Span]


def lines_of(node: ast.AST) -> Span:
    """Without decorators, which are @staticmethod throughout."""
    return node.lineno, node.end_lineno  # type: ignore[attr-defined]


def is_mathematics(node: ast.stmt) -> bool:
    """Whether a statement of a class is its docstring or one of the formulas."""
    return isinstance(node, ast.Expr) or isinstance(node, ast.FunctionDef) and node.name in METHODS


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def parts(source: str, rule: str = "") -> Parts:
    """The parts of a page, or of an optimizer's page with the name of its rule."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    textbook: list[ast.AST] = [functions[rule]] if rule in functions else []
    fast: list[ast.AST] = []
    calling: list[ast.AST] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not rule:
            mathematics = [m for m in node.body if is_mathematics(m)]
            has = any(isinstance(m, ast.FunctionDef) for m in mathematics)
            (textbook if has else fast).extend(mathematics if has else [node])
            fast += [m for m in node.body if has and m not in mathematics]
        elif isinstance(node, ast.ClassDef):
            calling.append(node)
    wanted = names_in(textbook)
    while more := {name for name in wanted & functions.keys() if functions[name] not in textbook}:
        textbook += [functions[name] for name in more]
        wanted |= names_in(functions[name] for name in more)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for name, function in functions.items():
        if function in textbook:
            continue
        applies = any(isinstance(n, ast.Attribute) and n.attr == "apply" for n in ast.walk(function)) or (
            not classes and not rule
        )
        public = applies or name in ("applied",) or names_in([function]) & {c.name for c in classes}
        (calling if public else fast).append(function)
    if not textbook and not rule:  # a page made of others: what it does is the calling
        textbook, calling = calling, []
    constants = [
        node for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and names_in([node]) & wanted and node not in textbook
    ]  # fmt: skip
    spans = [sorted(map(lines_of, group)) for group in ([*textbook, *constants], fast, calling)]
    if not rule:  # each class by its first line
        spans[0] += [(c.lineno, c.lineno) for c in classes if any(c.lineno < first <= c.end_lineno for first, _ in spans[0])]  # type: ignore[operator]
    return Parts(sorted(spans[0]), spans[1], spans[2])


def cited(line: str) -> list[str]:
    """The numbers of the equations that a line cites: in a comment, or in the docstring of a function."""
    said = re.search(r'(?:#|""")(.*)', line)
    return [number for found in CITED.finditer(said[1] if said else "") for number in numbers_of(found)]


def numbers_of(found: re.Match[str]) -> list[str]:
    """(3), or all of (1) to (4)."""
    first, last = found[1], found[2]
    return [first] if last is None else [str(number) for number in range(int(first), int(last) + 1)]


def citations(source: str) -> Iterator[tuple[int, str]]:
    """Each number of an equation that is cited below the docstring, with its line."""
    start = ast.parse(source).body[0].end_lineno or 0
    for place, line in enumerate(source.splitlines()[start:], start + 1):
        for number in cited(line):
            yield place, number


def as_html(path: Path, spans: list[Span]) -> str:
    """Lines of a file, highlighted, each with its number and the equations it cites."""
    source = path.read_text(encoding="utf-8")
    raw = source.splitlines()
    shown = highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()
    pieces: list[str] = []
    last = None
    for first, end in spans:
        if last is not None and first > last + 1:
            pieces.append('<span class="line gap"></span>')
        for place in range(first, end + 1):
            numbers = " ".join(cited(raw[place - 1]))
            code = shown[place - 1].replace("# (", "#\u00a0(")  # in one line
            data = f' data-cites="{html.escape(numbers)}" tabindex="0"' if numbers else ""
            indent = len(raw[place - 1]) - len(raw[place - 1].lstrip())
            pieces.append(
                f'<span class="line" style="--indent:{indent}"{data}><i>{place}</i><span>{code}\n</span></span>'
            )
        last = end
    return f'<div class="highlight"><pre class="page-code">{"".join(pieces)}</pre></div>'
