"""How a parsed docstring becomes nodes of a document: sections, rows of equations, text with formulas in it."""

from collections import Counter
from collections.abc import Iterable

from docutils import nodes
from sphinx.util.docutils import SphinxTranslator

from .docstring import Equation, Page, Paragraph, Row, Section
from .formula import Segment, Unconvertible, tex
from .prose import COLUMN, spoken
from .words import DOCSTRINGS, translated, word

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
        name = translated(DOCSTRINGS, block.name)
        shown += nodes.inline("", "", nodes.literal(name, name), classes=["name"])
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
    for label, blocks in gathered(page).items():
        body = nodes.container(classes=["body"])
        for part, block in blocks:
            inside = section(block)[1:]
            if part and len(blocks) > 1 and isinstance(inside[0], nodes.paragraph):
                inside[0].insert(0, [nodes.strong("", translated(DOCSTRINGS, part)), nodes.Text("\u2003")])
            body += inside
        shown += nodes.container("", nodes.rubric("", word(label), classes=["label"]), body, classes=["entry"])
    return shown


def gathered(page: Page) -> dict[str, list[tuple[str, Section]]]:
    """The sections below by their label, each with the part of the page it is of; what is the same of all, once."""
    found: dict[str, list[tuple[str, Section]]] = {}
    part = ""
    for block in page.sections:
        if block.label in BELOW:
            found.setdefault(block.label, []).append((part, block))
        names = [row.name for row in block.blocks if isinstance(row, Row) and row.name[:1].isdigit()]
        part = names[-1] if names else part
    return {
        label: blocks if any(block.blocks != blocks[0][1].blocks for _, block in blocks) else blocks[:1]
        for label, blocks in found.items()
    }


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def folded(summary: str, *inside: nodes.Node) -> list[nodes.Node]:
    return [raw(f'<details class="folded"><summary>{summary}</summary>'), *inside, raw("</details>")]
