"""The book's Sphinx extension: pages made from the sources of scratch/ops, scratch/optim and zoo/claims.

formula.py     the docstrings' plain Unicode -> TeX
docstring.py   a docstring -> sections of paragraphs and numbered equations
source.py      the code of a page in three parts, each line with the equations it cites
catalog.py     which pages there are, their titles, tests, cases and addresses
nodes.py       a parsed docstring -> nodes of a document
curves.py      functions with their slopes, paths of optimizers
examples.py    examples small enough to follow by hand
measured.py    the table of measured.json, which `python scripts/book.py measure` writes
tables.py      families, optimizers, layers, losses
claims.py      the claims' pages
directives.py  the directives that put these together
code.py        the pages of the files that pages link to
search.py      what the search shows of a page, without asking for the page
stubs.py       the files that Sphinx reads: a title and a directive each
words.py       the few words of the pages that are no docstring's, in two languages
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese
from sphinx.util import logging
from sphinx.util.fileutil import copy_asset_file

from . import code, search
from .directives import DIRECTIVES, Titles
from .nodes import STATISTICS, depart_equation, equation, visit_equation
from .stubs import write
from .words import compile_catalogues, fallback, speak

log = logging.getLogger(__name__)
MATHJAX = "tex-svg.js"  # formulas become drawings: no font is loaded


class ChineseSearch(SearchChinese):
    """Sphinx's own, whose script asks for a ChineseStemmer that is not there: English words have the English one."""

    language_name = "English"


def mathjax() -> Path:
    """The script that draws the formulas, as the package sphinx-mathjax-offline brings it."""
    package = find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is missing: pip install -e '.[book]'")
    return Path(package.origin).parent / "static" / "mathjax" / MATHJAX


def begin(app: Sphinx) -> None:
    speak("zh" if (app.config.language or "").startswith("zh") else "en")
    app.translator.add_fallback(fallback())
    write(Path(app.srcdir))


def with_language_switch(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The address of the same page in the other language."""
    other, name = ("en", "English") if (app.config.language or "").startswith("zh") else ("zh", "中文")
    up = "../" * (pagename.count("/") + 1)
    context["other_language"] = {"address": f"{up}{other}/{pagename}.html", "name": name, "language": other}


def end(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        copy_asset_file(mathjax(), Path(app.outdir) / "_static" / MATHJAX)
        search.write(app)
        log.info("formulas: %d converted, %d left as they are", STATISTICS["converted"], STATISTICS["left"])


def setup(app: Sphinx) -> dict[str, Any]:
    compile_catalogues()
    app.add_config_value("claims_results", "", "env")
    app.add_node(equation, html=(visit_equation, depart_equation))
    app.add_transform(Titles)
    app.add_search_language(ChineseSearch)
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.connect("builder-inited", begin)
    app.connect("html-page-context", with_language_switch)
    app.connect("html-page-context", code.without_navigation, priority=900)
    app.connect("html-collect-pages", code.collect)
    app.connect("build-finished", end)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
