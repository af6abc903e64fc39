"""The prose of docstrings in the language of the page, from the catalogue locale/zh/LC_MESSAGES/docstrings.po.

A message is a paragraph, or a cell beside a formula. {0}, {1} and so on stand for the formulas, the code and the
references in it, which are the same in every language.
"""

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc

from scripts import index
from zoo.claims import NAMES, experiments

from .catalog import Source, ops, optimizers
from .docstring import Page, Paragraph, Row, parse
from .formula import Segment, segments
from .words import DOCSTRINGS, translated

COLUMN = re.compile(" {3,}")
PLACE = re.compile(r"\{(\d+)\}")
WORDS = {"nothing", "none", "or", "others", "norms", "slope", "and"}  # which look like names of options
NAMES_ONLY = re.compile(r"(?:(?:\{\d+\}|[a-z]\w*|torch[\w.]*)(?:, | and |\.$|$))+")
KEPT = ("Source",)  # papers have the titles they were published with


def message(cut: Iterable[Segment]) -> str:
    """The text of segments, with numbered places for all that is none."""
    count, found = 0, ""
    for kind, text in cut:
        found += text if kind == "text" else f"{{{count}}}"
        count += kind != "text"
    return COLUMN.sub("\u2003", found)


def is_prose(text: str) -> bool:
    """Whether a message has words of the language: more than formulas and names."""
    words = {*re.findall("[A-Za-z]{2,}", text)}
    return bool(words & WORDS) or (bool(words) and not NAMES_ONLY.fullmatch(text.strip()))


def spoken(cut: Iterable[Segment]) -> list[Segment]:
    """Segments in the language of the page: as they are, where there is nothing to translate."""
    cut = list(cut)
    text = message(cut)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    said = translated(DOCSTRINGS, text.strip())
    others = [segment for segment in cut if segment.kind != "text"]
    pieces = PLACE.split(f"{before}{said}{after}")
    found = [Segment("text", piece) if place % 2 == 0 else others[int(piece)] for place, piece in enumerate(pieces)]
    return [segment for segment in found if segment.text]


def of_page(page: Page) -> Iterator[list[Segment]]:
    """The paragraphs and cells of a docstring but its title, which the page has elsewhere."""
    for section in page.sections:
        if section.label in KEPT:
            continue
        for block in section.blocks:
            if isinstance(block, Paragraph):
                yield block.segments
            else:
                yield from (cell for each in block.equations for cell in (*each.cells, *each.remark))


def of_source(source: Source) -> Iterator[list[Segment]]:
    yield segments(source.lead)
    yield from of_page(source.page)
    fast = source.path.with_name(f"{source.stem}_fast.py")
    if fast.exists():
        page = Source(fast, "").page
        yield segments(page.title)
        yield from of_page(page)


def names(source: Source) -> list[str]:
    """What rows are about, where that is no function."""
    rows = (block for section in source.page.sections for block in section.blocks if isinstance(block, Row))
    return [row.name for row in rows if row.name and row.name not in index.public()]


def messages() -> dict[str, str]:
    """All messages, in the order of the pages: of ops, optimizers, tables and claims. Each with a comment for who
    translates it: where it stands first, and what its places stand for."""
    found: dict[str, str] = {}

    def meet(name: str, cuts: Iterable[list[Segment]], anything: bool = False) -> None:
        for cut in cuts:
            text = message(cut).strip()
            if (anything or is_prose(text)) and text not in found:
                others = (segment.text for segment in cut if segment.kind != "text")
                found[text] = "  ".join([name, *(f"{{{place}}} {other}" for place, other in enumerate(others))])

    for source in (*ops(), *optimizers()):
        meet(source.relative, of_source(source))
        meet(source.relative, ([Segment("text", name)] for name in names(source)), anything=True)
    formulas = [*(formula for page in index.OPS.values() for formula in page.values()), *index.RULES.values()]
    meet("scripts/index.py", map(segments, formulas))
    for name in NAMES:
        meet(f"zoo/claims/{name}.py", of_page(parse(cleandoc(experiments.load(name).__doc__ or ""))))
    return found
