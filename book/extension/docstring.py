"""The docstring of a page, taken apart: its title, and sections of paragraphs and rows of equations.

Adjoint:    x̄ = ȳ W                            (3)      a row: one cell, and its number
            W̄ = Σ ȳᵀ x   over all rows         (4)      a row of two cells
Saved:      x, W.   Recomputed: nothing.                two sections
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .formula import Segment, segments

LABEL = re.compile(r"(?:(?<=^)|(?<=^   )|(?<=   )|(?<=\. ))([A-Z][A-Za-z]*(?:, [a-z]+| [a-z]+)?):(?= |$)")
NUMBER = re.compile(r"(?:(?<=\s\s)|(?<=^))\((\d+′?)\)(?=\s\s|$)")
NAME = re.compile(r"(\d+\. )?[a-z_][a-z_0-9-]*(?: [a-z]+)?$")
GAP = re.compile(r"\s{2,}")
COLUMNS = re.compile(r"\S {3,}\S")
VALUE = re.compile(r"^(?:\S+ )?\w+ \(\d+\)$")
SHAPE = re.compile(r"\S{1,6}(?:, \S{1,6})* \(")  # W (O, I)
KNOWN = {"Recomputed", "Kinks", "Kink", "Differs", "Reference", "Errors", "Source", "Random", "Saved"}


@dataclass
class Equation:
    """Cells side by side, each a list of segments; the number at their end, and what is said after it."""

    cells: list[list[Segment]]
    number: str = ""
    remark: list[list[Segment]] = field(default_factory=list)


@dataclass
class Row:
    equations: list[Equation]
    name: str = ""  # of the function that the row is about


@dataclass
class Paragraph:
    segments: list[Segment]


@dataclass
class Section:
    label: str
    line: int  # in the file
    blocks: list[Row | Paragraph] = field(default_factory=list)


@dataclass
class Page:
    title: str
    sections: list[Section]

    @property
    def equations(self) -> Iterator[Equation]:
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Row):
                    yield from block.equations

    @property
    def segments(self) -> Iterator[Segment]:
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Paragraph):
                    yield from block.segments
                else:
                    for equation in block.equations:
                        for cell in (*equation.cells, *equation.remark):
                            yield from cell


def numbers(doc: str) -> list[str]:
    """The numbers of all equations, in their order."""
    body = doc.partition("\n\n")[2]
    return [found for line in body.splitlines() for found in NUMBER.findall(line)]


def parse(doc: str, first_line: int = 1) -> Page:
    """A docstring as `inspect.cleandoc` leaves it."""
    title, _, body = doc.partition("\n\n")
    known = numbers(doc)
    sections = [Section("", first_line)]
    paragraph: list[str] = []
    listed = -1  # where a line with columns of its own begins: only what stands further right goes on with it

    def finish() -> None:
        if paragraph:
            cut = segments(" ".join(paragraph), known)
            if sections[-1].label == "Source":  # names: Ba is no product
                cut = [Segment("text", s.text) if s.kind == "math" and s.text.isascii() else s for s in cut]
            sections[-1].blocks.append(Paragraph(cut))
            paragraph.clear()

    offset = first_line + title.count("\n") + 2
    for place, line in enumerate(body.splitlines()):
        if not line.strip():
            finish()
            if sections[-1].label in KNOWN:
                sections.append(Section("", offset + place))
            continue
        if sections[-1].label and not line.startswith(" ") and not LABEL.match(line):
            finish()
            sections.append(Section("", offset + place))
        for label, text in split(line):
            if label:
                finish()
                sections.append(Section(label, offset + place))
            if not text.strip():
                continue
            row = as_row(text, known, sections[-1].label)
            if row:
                finish()
                continue_row(sections[-1], row)
            else:
                place_of_text = len(line) - len(text.lstrip())
                in_columns = COLUMNS.search(text.strip()) is not None
                if in_columns or place_of_text <= listed:
                    finish()
                    listed = place_of_text if in_columns else -1
                paragraph.append(text.strip())
    finish()
    return Page(" ".join(title.split()), [section for section in sections if section.blocks or section.label])


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def split(line: str) -> Iterator[tuple[str, str]]:
    """A line cut where a label begins a section of its own."""
    places = [found for found in LABEL.finditer(line) if found.start() == indent(line) < 5 or found[1] in KNOWN]
    start, label = 0, ""
    for found in places:
        if line[start : found.start()].strip() or label:
            yield label, line[start : found.start()]
        start, label = found.end(), found[1]
    yield label, line[start:]


def as_row(text: str, known: list[str], label: str) -> Row | None:
    """A line of equations, or None if it is prose."""
    pieces = NUMBER.split(text)
    parts, found = pieces[::2], pieces[1::2]
    cells = [GAP.split(part.strip()) if part.strip() else [] for part in parts]
    name = ""
    at_the_edge = label == "" or indent(text) < 4
    if len(cells[0]) > 1 and at_the_edge and NAME.match(cells[0][0]):
        name, *cells[0] = cells[0]
    if not found and not name and not is_equation(cells[0], known, label):
        return None
    values = label == "Symbols"  # γ lr (1): no equation, but what it is by default
    cut = [[segments(cell, () if values and VALUE.search(cell) else known) for cell in part] for part in cells]
    row = Row([Equation(before, number) for before, number in zip(cut, found, strict=False)], name)
    if not found:
        row.equations.append(Equation(cut[0]))
    elif cut[-1]:
        row.equations[-1].remark = cut[-1]
    return row


def is_equation(cells: list[str], known: list[str], label: str) -> bool:
    """Whether the cells of a line without a number are formulas: they begin with one, and little else is in them."""
    if label == "Shapes" and any(SHAPE.match(cell) for cell in cells):
        return len(cells) > 1 or sum(map(len, cells)) < 60
    if label == "Symbols":
        return len(cells) > 1
    if label in KNOWN:
        return False
    cut = [segments(cell, known) for cell in cells]
    first = cut[0][0] if cut and cut[0] else Segment("text", "")
    formula = sum(len(s.text) for cell in cut for s in cell if s.kind == "math")
    whole = sum(len(s.text) for cell in cut for s in cell)
    return first.kind == "math" and re.search("[=←]", first.text) is not None and formula > 0.55 * whole


def continue_row(section: Section, row: Row) -> None:
    """A row that begins with = goes on with the one before."""
    last = section.blocks[-1] if section.blocks else None
    first = row.equations[0]
    begins = first.cells and first.cells[0] and first.cells[0][0].text.startswith("=")
    if isinstance(last, Row) and not row.name and begins and not last.equations[-1].number:
        last.equations[-1].number = first.number
        last.equations[-1].cells += first.cells
        last.equations[-1].remark = first.remark
        last.equations += row.equations[1:]
    else:
        section.blocks.append(row)
