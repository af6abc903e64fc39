"""The form of the docstrings that the book renders, and of their equations' numbers. A failure names file and line."""

import re
import unicodedata
from pathlib import Path

import pytest

from book.extension.catalog import ROOT, ops, optimizers
from book.extension.docstring import GAP, LABEL, NUMBER, numbers
from book.extension.source import citations

SOURCES = [*ops(), *optimizers()]
WIDTH = 120
UNSPACED = re.compile(
    r"(?<=\S) \(([1-9]\d?′?)\)$"
)  # a number with one blank before it is a reference, not the equation's


def lines(source):
    """The lines of a docstring, with their numbers in the file."""
    return list(enumerate(source.docstring.splitlines(), 1))


def where(source, place: int, line: str) -> str:
    return f"{source.relative}:{place}: {line}"


@pytest.fixture(params=SOURCES, ids=[source.stem for source in SOURCES])
def source(request):
    return request.param


def test_the_first_sentence_says_what_it_is(source):
    title = source.docstring.partition("\n\n")[0]
    assert title.endswith("."), where(source, 1, title)
    assert title[0].isupper(), where(source, 1, title)


def test_accents_combine_always_the_same_way(source):
    """Precomposed where Unicode has the letter, combining where not: ȧ is one letter, x̄ are two."""
    wrong = [
        where(source, place, line)
        for place, line in enumerate(source.text.splitlines(), 1)
        if not unicodedata.is_normalized("NFC", line)
    ]
    assert not wrong, "\n".join(wrong)


def test_labels_stand_at_the_left_edge_followed_by_blanks(source):
    """Value:      y = …, and what goes on is indented; the labels of a numbered part are indented with it."""
    body = source.docstring.count("\n", 0, source.docstring.index("\n\n")) + 2
    wrong = [
        where(source, place, line)
        for place, line in lines(source)
        if place > body and (found := LABEL.match(line)) and not re.match(r"  |$", line[found.end() :])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_line_is_too_long_nor_has_tabs(source):
    wrong = [where(source, place, line) for place, line in lines(source) if len(line) > WIDTH + 2 or "\t" in line]
    assert not wrong, "\n".join(wrong)


def test_an_equations_number_stands_apart(source):
    """Two blanks before it at least: with one it is a reference in a sentence."""
    own = numbers(source.docstring)
    wrong = [
        where(source, place, line)
        for place, line in lines(source)
        if (found := UNSPACED.search(line)) and found[1] not in own and not NUMBER.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_line_is_equations_or_a_sentence(source):
    """What stands beside a numbered equation is a remark of a few words, no sentence that goes on in the next line."""
    wrong = []
    listed = lines(source)
    for (place, line), (_, following) in zip(listed, [*listed[1:], (0, "")], strict=True):
        if not NUMBER.search(line):
            continue
        tail = NUMBER.split(line)[-1].strip()
        goes_on = (
            tail
            and re.match(r"\s*[a-z]{3,} [a-z]{2,}", following)
            and tail[-1] not in ".,;:"
            and len(GAP.split(tail)) == 1
        )
        if goes_on and len(tail.split()) > 12:
            wrong.append(where(source, place, line))
    assert not wrong, "\n".join(wrong)


def test_numbers_are_given_once_and_in_order(source):
    found = numbers(source.docstring)
    assert len(found) == len(set(found)), f"{source.relative}: twice: {sorted(n for n in found if found.count(n) > 1)}"
    plain = [int(number) for number in found if number.isdigit()]
    assert plain == list(range(1, len(plain) + 1)), f"{source.relative}: {plain}"


def fast_of(source) -> list[Path]:
    path = source.path.with_name(f"{source.stem}_fast.py")
    return [path] if path.exists() else []


def named_in(source) -> list[Path]:
    """Files that the docstring names with their whole path: where its equations are put together."""
    return [ROOT / name for name in re.findall(r"scratch/[\w/]+\.py", source.docstring) if (ROOT / name).exists()]


def test_every_number_that_is_cited_exists(source):
    """On the page itself; a fast form in a file of its own cites its page's equations and its own."""
    own = set(numbers(source.docstring))
    wrong = [f"{source.relative}:{place}: ({number})" for place, number in citations(source.text) if number not in own]
    for path in fast_of(source):
        text = path.read_text(encoding="utf-8")
        known = own | set(numbers(text.split('"""')[1]))
        wrong += [f"{path.relative_to(ROOT)}:{place}: ({n})" for place, n in citations(text) if n not in known]
    assert not wrong, "\n".join(wrong)


def test_every_numbered_equation_is_cited_in_the_code(source):
    """On the page, in its fast form, or in the file that the docstring names."""
    cited = {number for _, number in citations(source.text)}
    for path in (*fast_of(source), *named_in(source)):
        cited |= {number for _, number in citations(path.read_text(encoding="utf-8"))}
    missing = [number for number in numbers(source.docstring) if number not in cited]
    assert not missing, f"{source.relative}: no line cites {', '.join(f'({n})' for n in missing)}"
