"""What the search shows of each page it has found.

Sphinx asks for the pages themselves, which a browser refuses to pages that are opened from a folder. So their texts
stand in a script, which answers in their place; a page finds it by _templates/search.html.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

SCRIPT = "excerpts.js"
LENGTH = 4000  # letters of a page
INLINE = ("a", "b", "code", "em", "i", "span", "strong")
WITHOUT_END = ("br", "img", "input", "hr", "wbr", "meta", "link", "col", "source")
CODE = """const EXCERPTS = %s;
window.fetch = (address) => {
  const main = document.createElement("div");
  main.setAttribute("role", "main");
  main.textContent = EXCERPTS[address.replace(/^\\.\\//, "").replace(/\\.html$/, "")] ?? "";
  return Promise.resolve(new Response(main.outerHTML));
};
"""


class Reader(HTMLParser):
    """The text of what has the role ``main``, without formulas, code and what is not for reading."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.skipped, self.pieces = 0, 0, list[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag in WITHOUT_END:
            return
        if self.depth or given.get("role") == "main":
            self.depth += 1
        classes = given.get("class", "").split()
        silent = {"math", "headerlink", "number", "highlight", "language", "links"} & {*classes}
        if self.depth and tag not in INLINE:
            self.pieces.append(" ")
        if self.depth and "math" in silent and not self.skipped:
            self.pieces.append("…")
        if self.depth and (self.skipped or silent or tag in ("script", "style", "pre", "svg")):
            self.skipped += 1

    def handle_endtag(self, tag: str) -> None:
        if tag not in WITHOUT_END and self.depth:
            self.depth -= 1
            self.skipped -= self.skipped > 0

    def handle_data(self, data: str) -> None:
        if self.depth and not self.skipped:
            self.pieces.append(data)


def text_of(page: str) -> str:
    reader = Reader()
    reader.feed(page)
    return re.sub(r"\s+", " ", "".join(reader.pieces)).strip()[:LENGTH]


def write(app: Sphinx) -> None:
    folder = Path(app.outdir)
    names = sorted(app.env.found_docs)
    texts = {name: text_of((folder / f"{name}.html").read_text(encoding="utf-8")) for name in names}
    script = CODE % json.dumps(texts, ensure_ascii=False, indent=0)
    (folder / "_static" / SCRIPT).write_text(script, encoding="utf-8")
