"""The claims' pages: what is claimed, how it is tried and decided, the figure, and what came out.

The results are the JSON files that scripts/claims.py writes, in the folder of the option ``claims_results``. Where they
are of small runs, the verdict in the title is that of the full run in docs/claims.md.
"""

import json
import re
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util import logging

from zoo.claims import NAMES, experiments
from zoo.claims.verdict import FAILS, HOLDS, LANGUAGES, ONLY_IF, WORDS, spoken
from zoo.core.errors import UsageError

from .catalog import ROOT, address
from .docstring import parse
from .nodes import section
from .words import word

__all__ = ["NAMES", "claim_nodes", "kind_of", "table_rows", "title_of"]
IN_TITLES = {HOLDS: "It holds.", ONLY_IF: "It holds on a condition.", FAILS: "It does not hold."}
CELLS = re.compile(r"(?<!\\)\|")
log = logging.getLogger(__name__)


@cache
def table_rows() -> dict[str, tuple[str, ...]]:
    """Verdict and numbers of each claim's full run, in English, from docs/claims.md."""
    rows = {}
    for line in (ROOT / "docs" / "claims.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in CELLS.split(line)]
        if len(cells) > 5 and (found := re.match(r"\[(\w+)\]", cells[1])):
            rows[found[1]] = (cells[3], cells[4])
    return rows


def claim_of(name: str, language: str) -> str:
    return experiments.claim(experiments.load(name))[LANGUAGES[language]]


def kind_of(name: str) -> str:
    """The verdict of the full run: holds, holds only if, does not hold."""
    verdict = table_rows().get(name, ("", ""))[0].lower()
    return max((kind for kind in WORDS if verdict.startswith(kind)), key=len, default="")


def title_of(name: str, language: str = "en") -> str:
    """The claim with its verdict."""
    return f"{claim_of(name, language)}{' ' * (language == 'en')}{verdict_of(name, language)}"


def verdict_of(name: str, language: str) -> str:
    kind = kind_of(name)
    if not kind:
        return ""
    return IN_TITLES[kind] if language == "en" else f"{WORDS[kind][1]}。"


def result_of(name: str, folder: Path | None) -> dict[str, Any] | None:
    path = folder / f"{name}.json" if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else None


def is_small(result: dict[str, Any]) -> bool:
    """Whether a result is of the small run that tests make."""
    quick = json.loads(json.dumps(experiments.load(result["name"]).QUICK))
    return bool(quick) and quick.items() <= result["settings"].items()


def figure(result: dict[str, Any], language: str, path: Path) -> nodes.image | None:
    """The figure, drawn from the result; in English where no font has Chinese letters."""
    for tried in dict.fromkeys((language, "en")):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            experiments.draw(result, tried, path)
        except UsageError as error:
            log.info("%s", error)
        else:
            return nodes.image(uri=path.as_posix(), classes=["figure"])
    return None


def script(name: str) -> Path:
    return ROOT / "zoo" / "claims" / f"{name}.py"


def lead(said: str, because: str) -> nodes.paragraph:
    """The verdict and why."""
    return nodes.paragraph(
        "", "", nodes.strong("", said), nodes.Text(f" {because}"), classes=["lead"], translatable=False
    )


def claim_nodes(name: str, language: str, folder: Path | None, figures: Path, docname: str) -> list[nodes.Node]:
    found: list[nodes.Node] = []
    result = result_of(name, folder)
    full = table_rows().get(name)
    if full and language != "en":  # docs/claims.md has the numbers in English alone
        full = (verdict_of(name, language),)
    if result:
        picture = figure(result, language, figures / f"claim-{name}.{language}.png")
        said, because = spoken(result["verdict"], language)
        if picture:  # which has the verdict in its title
            picture["alt"] = f"{result['claim'][LANGUAGES[language]]} {said} {because}"
            found.append(picture)
        else:
            found.append(lead(said, because))
        if is_small(result):
            note = nodes.note(
                "",
                nodes.paragraph(
                    "", word("Figure and numbers are of a small run, made with this book."), translatable=False
                ),
            )
            if full:
                note += nodes.paragraph(
                    "", f"{word('The full run:')}{' ' * (language == 'en')}{' '.join(full)}", translatable=False
                )
            found.append(note)
    elif full:
        command = f"python scripts/claims.py {name}"
        hint = nodes.paragraph("", word("The figure comes with"), translatable=False)
        hint += [nodes.Text(" "), nodes.literal(command, command)]
        found += [lead(full[0], " ".join(full[1:])), hint]
    module = experiments.load(name)
    for block in parse(cleandoc(module.__doc__ or "")).sections:
        if block.label != "Notes":
            found += section(block)
    if result:
        seconds = (
            f"{word('runs')}: {len(result['seeds'])}, {result['seconds']:.0f} s, {result['machine']}, {result['date']}"
        )
        found.append(nodes.paragraph("", seconds, classes=["machine"], translatable=False))
    link = nodes.paragraph("", "", classes=["links"], translatable=False)
    link += nodes.reference("", f"zoo/claims/{name}.py", refuri=address(script(name), docname))
    return [*found, link]


def claim_table(language: str) -> list[nodes.Node]:
    """All claims, each with its verdict and a link to its page."""
    items = nodes.bullet_list(classes=["claims"])
    for name in NAMES:
        kind = kind_of(name)
        text = nodes.paragraph("", "", translatable=False)
        text += nodes.reference("", claim_of(name, language), internal=True, refuri=f"{name}.html")
        text += [
            nodes.Text(" "),
            nodes.inline("", verdict_of(name, language), classes=["verdict", kind.replace(" ", "-")]),
        ]
        items += nodes.list_item("", text)
    return [items]
