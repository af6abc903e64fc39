"""What the pages are made of: which there are, what they are called, where their sources lie."""

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import scratch.optim  # noqa: E402
from scripts import index  # noqa: E402

from .docstring import Page, parse  # noqa: E402

FAMILIES = {"basics" if folder == "ops" else folder: name for folder, name in index.FAMILIES.items() if folder != "nn"}


@dataclass(frozen=True)
class Source:
    """A file that becomes a page."""

    path: Path
    docname: str

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def docstring(self) -> str:
        return cleandoc(ast.parse(self.text).body[0].value.value)  # type: ignore[attr-defined]

    @property
    def page(self) -> Page:
        return parse(self.docstring)

    @property
    def title(self) -> str:
        """What the docstring begins with, if that is short; else the name of the file."""
        heads = (re.split(ends, self.docstring, maxsplit=1)[0].strip().rstrip(".") for ends in ("[:;(]|\n\n", "[:;(,]"))
        return next((head for head in heads if len(head) < 48), self.stem.replace("_", " ").capitalize())

    @property
    def lead(self) -> str:
        """The docstring's first sentence, without the title before its colon."""
        text = self.page.title
        rest = text.removeprefix(f"{self.title}: ")
        is_formula = re.match(r"\S+ [=(]|\w\b", rest) is not None and not rest.startswith("a ")
        return rest if rest == text or is_formula else rest[0].upper() + rest[1:]

    @property
    def relative(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


@cache
def ops() -> tuple[Source, ...]:
    """Every page of scratch/ops, in the order of the index."""
    pages = index.pages()
    return tuple(Source(pages[stem], f"ops/{family(pages[stem])}/{stem}") for stem in ordered(pages))


def ordered(pages: dict[str, Path]) -> list[str]:
    listed = [stem for stem in index.OPS if stem in pages]
    return [*listed, *sorted(pages.keys() - set(listed))]


def family(path: Path) -> str:
    return "basics" if path.parent.name == "ops" else path.parent.name


@cache
def optimizers() -> tuple[Source, ...]:
    """Every page of scratch/optim that has an optimizer, in the order of the index."""
    files = dict.fromkeys(index.source(getattr(scratch.optim, name)) for name in index.RULES)
    return tuple(Source(path, f"optimizers/{path.stem}") for path in files)


def optimizers_of(source: Source) -> list[str]:
    """The optimizers on a page."""
    return [name for name in index.RULES if index.source(getattr(scratch.optim, name)) == source.path]


def by_path() -> dict[str, Source]:
    return {source.relative: source for source in (*ops(), *optimizers())}


def address(path: Path, docname: str) -> str:
    """The address of a file's own page, which code.py makes, as seen from another page."""
    return "../" * docname.count("/") + f"{code_page(path)}.html"


def code_page(path: Path) -> str:
    return f"code/{path.relative_to(ROOT).with_suffix('').as_posix()}"


def tests_of(source: Source) -> list[Path]:
    """The test files that are about a page: they have its name in theirs, or import it."""
    module = source.relative.removesuffix(".py").replace("/", ".")
    found = []
    for file in sorted((ROOT / "tests" / "scratch").rglob("test_*.py")):
        parent, _, name = module.rpartition(".")
        text = file.read_text(encoding="utf-8")
        imported = re.search(rf"{re.escape(module)}\b|from {re.escape(parent)} import [^\n]*\b{name}\b", text)
        if file.stem == f"test_{source.stem}" or imported:
            found.append(file)
    return found


def cases_of(source: Source) -> list[Path]:
    stem = "optim" if source in optimizers() else source.stem
    path = ROOT / "scratch" / "testing" / "cases" / f"{stem}.py"
    return [path] if path.exists() else []


def layers_of(source: Source) -> dict[str, Path]:
    """The layers of scratch.nn on a page, with their files."""
    names = " ".join(index.OPS.get(source.stem, {})).split()
    return {name: index.source(getattr(index.nn, name)) for name in names if name in index.nn.__all__}
