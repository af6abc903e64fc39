"""How a parsed docstring becomes nodes of a document: sections, rows of equations, text with formulas in it."""

from collections import Counter
from collections.abc import Iterable

from docutils import nodes
from sphinx.util.docutils import SphinxTranslator

from .docstring import Equation, Page, Paragraph, Row, Section
from .formula import Segment, Unconvertible, tex
from .prose import COLUMN, spoken
from .words import word

BELOW = ("Saved", "Recomputed", "Fast form", "Fast", "Kinks", "Kink", "Errors", "Reference", "Differs", "Source",
"Random",
         "Masks", "Memory", "Sparse", "Cost", "Options", "Weights", "Processes", "Symbols")  # fmt: skip

STATISTICS: Counter[str] = Counter()  # formulas that were converted, and those that were not


class equation(nodes.General, nodes.Element):
    """An equation with its number: what lights the lines that cite it."""


def anchor(number: str) -> str:
    return f"eq-{number.replace('′', '-prime')}"


def visit_equation(translator: SphinxTranslator, node: nodes.Element) -> None:
    number = node["number"]
    attributes = f' id="{anchor(number)}" data-number="{number}" tabindex="0"' if number else ""
    translator.body.append(f'<div class="equation"{attributes}>')


def depart_equation(translator: SphinxTranslator, node: nodes.Element) -> None:
    number = node["number"]
    if number:
        translator.body.append(f'<a class="number" href="#{anchor(number)}">({number})</a>')
    translator.body.append("</div>\n")


def formula(text: str, displayed: bool = False) -> nodes.Node:
    """A formula as TeX, with large fractions where it is displayed; one that cannot be converted as it stands, and
    counted."""
    try:
        converted = tex(text)
    except Unconvertible:
        STATISTICS["left"] += 1
        return nodes.literal(text, text)
    STATISTICS["converted"] += 1
    converted = converted.replace(r"\frac", r"\dfrac") if displayed else converted
    return nodes.math(converted, converted)


def inline(segments: Iterable[Segment], displayed: bool = False) -> list[nodes.Node]:
    """Text with formulas, code and references in it, in the language of the page."""
    found: list[nodes.Node] = []
    for kind, text in spoken(segments):
        if kind == "math":
            found.append(formula(text, displayed))
        elif kind == "code":
            found.append(nodes.literal(text, text))
        elif kind == "reference":
            found.append(
                nodes.reference(f"({text})", f"({text})", internal=True, refid=anchor(text), classes=["to-equation"])
            )
        else:
            found.append(nodes.Text(COLUMN.sub("\u2003", text)))
    return found


def paragraph(segments: Iterable[Segment], *classes: str) -> nodes.paragraph:
    return nodes.paragraph("", "", *inline(segments), translatable=False, classes=list(classes))


def row(block: Row) -> nodes.Element:
    shown = nodes.container(classes=["row"])
    if block.name:
        shown += nodes.inline("", "", nodes.literal(block.name, block.name), classes=["name"])
    shown += [one_equation(each) for each in block.equations]
    return shown


def one_equation(block: Equation) -> equation:
    shown = equation(number=block.number)
    for cell in block.cells:
        shown += nodes.inline("", "", *inline(cell, displayed=True), classes=["cell"])
    for cell in block.remark:
        shown += nodes.inline("", "", *inline(cell), classes=["cell", "remark"])
    return shown


def section(block: Section) -> list[nodes.Node]:
    found: list[nodes.Node] = []
    if block.label:
        found.append(nodes.rubric("", word(block.label), classes=["label"]))
    for each in block.blocks:
        found.append(paragraph(each.segments) if isinstance(each, Paragraph) else row(each))
    return found


def above(page: Page) -> nodes.container:
    """The mathematics: what stands beside the code."""
    shown = nodes.container(classes=["notes"])
    for block in page.sections:
        if block.label not in BELOW:
            shown += section(block)
    return shown


def below(page: Page) -> nodes.container:
    """What is saved, kinks, errors, differences, sources: a list under both columns."""
    shown = nodes.container(classes=["remarks"])
    for block in page.sections:
        if block.label in BELOW:
            label, *rest = section(block)
            entry = nodes.container("", label, nodes.container("", *rest, classes=["body"]), classes=["entry"])
            shown += entry
    return shown


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def folded(summary: str, *inside: nodes.Node) -> list[nodes.Node]:
    return [raw(f'<details class="folded"><summary>{summary}</summary>'), *inside, raw("</details>")]
