"""A page for every file that a page links to, so that a folder of pages is enough: its code, as it stands there.

The numbers in its comments lead to the equations they cite.
"""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from scripts import index

from .catalog import ROOT, Source, by_path, cases_of, code_page, layers_of, ops, optimizers, tests_of
from .claims import NAMES, script
from .nodes import anchor
from .source import as_html
from .words import word

COMMENT = re.compile(r'(?<=<span class="c1">)[^<]*')
CITED = re.compile(r"\((\d+′?)\)")


def files() -> list[Path]:
    """All that pages link to."""
    sources = (*ops(), *optimizers())
    found = chain.from_iterable(
        (source.path, *fast(source), *layers_of(source).values(), *cases_of(source), *tests_of(source))
        for source in sources
    )
    made_of_others = (index.source(getattr(index.nn, names.split()[0])) for stem in index.WITHOUT_PAGE
                      for names in index.OPS[stem])  # fmt: skip
    return sorted({*found, *made_of_others, *map(script, NAMES)})


def fast(source: Source) -> list[Path]:
    path = source.path.with_name(f"{source.stem}_fast.py")
    return [path] if path.exists() else []


def page_of(path: Path) -> Source | None:
    """The page that explains a file."""
    known = by_path()
    relative = path.relative_to(ROOT).as_posix()
    return known.get(relative) or known.get(relative.replace("_fast.py", ".py"))


def body(path: Path, name: str) -> str:
    """The code; of a page's source the comments' numbers are links to that page, which stands above them."""
    count = len(path.read_text(encoding="utf-8").splitlines())
    code = as_html(path, [(1, count)])
    page = page_of(path)
    above = ""
    if page:
        address = f"{'../' * name.count('/')}{page.docname}.html"
        link = rf'<a class="to-equation" href="{address}#{{}}">({{}})</a>'
        code = COMMENT.sub(
            lambda comment: CITED.sub(lambda cited: link.format(anchor(cited[1]), cited[1]), comment[0]), code
        )
        above = f'<p class="links"><a href="{address}">{word("derivation")}</a></p>'
    return f'<h1 class="path">{path.relative_to(ROOT).as_posix()}</h1>{above}<div class="code">{code}</div>'


def collect(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in files():
        name = code_page(path)
        yield name, {"title": path.name, "body": body(path, name)}, "page.html"


def without_navigation(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The list of all pages is on every page but these: it would be larger than the code."""
    if pagename.startswith("code/"):
        context["furo_navigation_tree"] = ""
        context["furo_hide_toc"] = True
