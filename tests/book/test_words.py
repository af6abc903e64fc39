"""No word of the generated pages lacks its Chinese."""

import ast
import re
from inspect import cleandoc
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the book's extra is not installed")

from babel.messages.pofile import read_po

from book.extension import measured
from book.extension.catalog import FAMILIES, ops, optimizers
from book.extension.claims import NAMES, experiments, title_of
from book.extension.docstring import parse
from book.extension.examples import EXAMPLES
from book.extension.prose import PLACE
from book.extension.words import DOCSTRINGS, LOCALE
from scripts.index import FAMILIES as OF_INDEX
from scripts.index import WITHOUT_PAGE

EXTENSION = Path(measured.__file__).parent
TITLES = {"Operations", "Optimizers", "Layers", "Losses", "What lecture notes claim"}
THEME = {"Previous", "Next", "On this page", "Back to top", "Made with "}
LINKS = {"source", "layer", "cases", "tests"}


def constants() -> set[str]:
    """What the extension passes to `word`."""
    calls = (node for path in EXTENSION.glob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {
        str(node.args[0].value)
        for node in calls
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "word"
        and isinstance(node.args[0], ast.Constant)
    }


def labels() -> set[str]:
    pages = [source.page for source in (*ops(), *optimizers())]
    pages += [parse(cleandoc(experiments.load(name).__doc__ or "")) for name in NAMES]
    return {section.label for page in pages for section in page.sections} - {"", "Notes"}


def test_every_word_has_its_chinese():
    needed = (
        constants()
        | labels()
        | TITLES
        | LINKS
        | THEME
        | {*FAMILIES.values(), *OF_INDEX.values(), *measured.CHECKS.values()}
    )
    needed |= {source.title for source in (*ops(), *optimizers())}
    needed |= {*WITHOUT_PAGE.values()}
    needed |= {example.caption for examples in EXAMPLES.values() for example in examples}
    with (LOCALE / "zh" / "LC_MESSAGES" / "extension.po").open("rb") as file:
        known = {str(message.id) for message in read_po(file) if message.id and message.string}
    assert sorted(needed - known) == [], "without Chinese"
    assert sorted(known - needed) == [], "no longer used"


def prose_in_chinese() -> dict[str, str]:
    with (LOCALE / "zh" / "LC_MESSAGES" / f"{DOCSTRINGS}.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def test_formulas_of_docstrings_stand_in_their_chinese():
    """Each at least once, and none that is not there; test_chapters says that no message is missing."""
    other = {
        text: said for text, said in prose_in_chinese().items() if {*PLACE.findall(text)} != {*PLACE.findall(said)}
    }
    assert other == {}


def test_docstrings_are_said_in_chinese():
    """But for lists of names, which are the same in both languages."""
    same = [text for text, said in prose_in_chinese().items() if not re.search("[\u4e00-\u9fff]", said)]
    assert [text for text in same if re.search(r"[a-z]{3} [a-z]{2}", text)] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_claim_has_its_verdict_in_the_title(language):
    ends = {"en": ("It holds.", "It holds on a condition.", "It does not hold."), "zh": ("成立。",)}[language]
    assert [name for name in NAMES if not title_of(name, language).endswith(ends)] == []
