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


def is_formula(node: ast.stmt) -> bool:
    """Whether a statement of a class is one of the formulas."""
    return isinstance(node, ast.FunctionDef) and node.name in METHODS


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def parts(source: str, rule: str = "") -> Parts:
    """The parts of a page; of an optimizer's, whose textbook form is the function with its name, ``rule``."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if rule and rule not in functions:  # one that steps in a way of its own
        return Parts(spans([*functions.values(), *classes]), [], [])
    pages = [each for each in classes if any(is_formula(node) for node in each.body)]
    formulas = [node for each in pages for node in each.body if is_formula(node) or isinstance(node, ast.Expr)]
    textbook: list[ast.stmt] = [functions[rule]] if rule else [*formulas] or [*functions.values()]
    wanted = names_in(textbook)
    while more := [functions[name] for name in wanted & functions.keys() if functions[name] not in textbook]:
        textbook += more
        wanted |= names_in(more)
    fast: list[ast.stmt] = [] if rule else [each for each in classes if each not in pages]
    fast += [node for each in pages for node in each.body if node not in textbook and not rule]
    calling: list[ast.stmt] = [*classes] if rule else []
    for function in functions.values():
        if function not in textbook:
            (calling if calls(function, classes) else fast).append(function)
    constants = [node for node in tree.body if isinstance(node, ast.Assign) and names_in([node]) & wanted]
    heads = [] if rule else [(each.lineno, each.lineno) for each in pages]
    return Parts(sorted([*spans([*textbook, *constants]), *heads]), spans(fast), spans(calling))


def spans(nodes: list[ast.stmt]) -> list[Span]:
    """Their lines, without decorators, which are @staticmethod throughout."""
    return sorted((node.lineno, node.end_lineno or node.lineno) for node in nodes)


def calls(function: ast.FunctionDef, classes: list[ast.ClassDef]) -> bool:
    """Whether a function is a public one: it calls ``apply``, or names one of the page's classes."""
    applies = any(isinstance(node, ast.Attribute) and node.attr == "apply" for node in ast.walk(function))
    return applies or bool(names_in([function]) & {each.name for each in classes})


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
