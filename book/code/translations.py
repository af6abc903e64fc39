"""What there is to translate: the strings of the chapters, as Sphinx extracts them, the words of their pictures, what
they print, and the prose of the docstrings.

python -m book.code.translations        brings the catalogues of locale/zh up to date: new strings are empty in
                                        them, those that are gone go
"""

import ast
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from sphinx.application import Sphinx

from book.code import printed
from book.extension.prose import messages
from book.extension.words import DOCSTRINGS

BOOK = Path(__file__).resolve().parents[1]
CHAPTERS = BOOK / "chapters"
CATALOGUES = BOOK / "locale" / "zh" / "LC_MESSAGES"
HEADER = """msgid ""
msgstr ""
"Project-Id-Version: Handgrad\\n"
"Language: zh\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n\""""
CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"^\$\$\n(.*?)\n\$\$", re.DOTALL | re.MULTILINE)


def prose() -> dict[str, list[str]]:
    """The headings and paragraphs of every page that is written by hand, in order, without formulas."""
    pages = {str(path.relative_to(BOOK).with_suffix("")): path for path in [*BOOK.glob("*.md"), *CHAPTERS.glob("*.md")]}
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "extensions": ["myst_nb"],
            "include_patterns": [f"{name}.md" for name in pages],
            "nb_execution_mode": "off",
            "gettext_compact": False,
            "myst_enable_extensions": ["dollarmath", "amsmath", "colon_fence"],
        }
        Sphinx(str(BOOK), None, folder, folder, "gettext", settings, status=None, warning=None).build()
        found = {}
        for name, path in sorted(pages.items()):
            formulas = {formula.strip() for formula in FORMULA.findall(path.read_text())}
            with Path(folder, f"{name}.pot").open("rb") as file:
                found[name] = [str(m.id) for m in read_po(file) if m.id and str(m.id).strip() not in formulas]
        return found


def cells() -> Iterator[str]:
    """The code of the chapters."""
    for path in sorted(CHAPTERS.glob("*.md")):
        yield from (re.sub(r"^:tags:.*\n", "", cell) for cell in CELL.findall(path.read_text()))


def words() -> list[str]:
    """The words of the pictures: what `say` is called with, and the labels of the things to move."""
    return [*dict.fromkeys(word for cell in cells() for word in words_of(cell))]


def lines() -> list[str]:
    """What the cells print."""
    found = (text for cell in cells() for text in printed.messages(cell))
    return [*dict.fromkeys([*found, *printed.IN_VARIABLES])]


def words_of(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Name("say"), args=[ast.Constant(str() as text)]):
                yield text
            case ast.Call(func=ast.Name("say")):
                raise ValueError(f"say takes a text, not {ast.unparse(node)}: else nobody can find and translate it")
            case ast.Assign(targets=[ast.Name("labels")], value=ast.Dict(values=values)):
                yield from (value.value for value in values if isinstance(value, ast.Constant))


def wanted() -> dict[Path, dict[str, str]]:
    """The strings that each catalogue should have, each with a comment or none."""
    pages = {CATALOGUES / f"{name}.po": dict.fromkeys(strings, "") for name, strings in prose().items()}
    others = {"pictures": dict.fromkeys(words(), ""), "printed": dict.fromkeys(lines(), ""), DOCSTRINGS: messages()}
    return {**pages, **{CATALOGUES / f"{name}.po": strings for name, strings in others.items()}}


def catalogue(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def write(path: Path, strings: dict[str, str], comments: dict[str, str]) -> None:
    found = Catalog(locale="zh")
    for text, chinese in strings.items():
        found.add(text, chinese, auto_comments=filter(None, [comments[text]]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, found, width=120)
    entries = path.read_text().split("\n\n", 1)[1]  # without Babel's header, which has dates and names
    path.write_text(f"{HEADER}\n\n{entries.rstrip()}\n")


def main() -> None:
    for path, strings in wanted().items():
        known = catalogue(path)
        write(path, {text: known.get(text, "") for text in strings}, strings)
        missing = sum(not known.get(text) for text in strings)
        print(f"{path.relative_to(BOOK)}: {len(strings)} strings, {missing} to be translated")


if __name__ == "__main__":
    main()
