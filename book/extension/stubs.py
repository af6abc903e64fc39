"""The files that Sphinx reads for generated pages: a title, and the directive that makes the rest.

They are written before a build, beside the chapters, and kept out of the repository.
"""

from pathlib import Path

from .catalog import FAMILIES, Source, family, ops, optimizers
from .claims import NAMES, title_of
from .words import word

WIDE = ":hide-toc:\n\n"


def heading(text: str) -> str:
    return f"{text}\n{'=' * 2 * len(text)}\n\n"


def tree(entries: list[str], depth: int = 1) -> str:
    lines = "\n".join(f"   {entry}" for entry in entries)
    return f".. toctree::\n   :maxdepth: {depth}\n\n{lines}\n"


def page(source: Source, directive: str) -> str:
    return WIDE + heading(source.title) + f".. {directive}:: {source.relative}\n"


def stubs() -> dict[str, str]:
    """Every generated file by its name in the folder of the book, without the ending."""
    found = {source.docname: page(source, "op") for source in ops()}
    found |= {source.docname: page(source, "optimizer") for source in optimizers()}
    found["ops/index"] = heading(word("Operations")) + tree([f"{folder}/index" for folder in FAMILIES], 2)
    for folder, name in FAMILIES.items():
        members = [source for source in ops() if family(source.path) == folder]
        table = f".. op-table:: {folder}\n\n"
        found[f"ops/{folder}/index"] = WIDE + heading(word(name)) + table + hidden(tree([s.stem for s in members]))
    found["optimizers/index"] = (
        WIDE + heading(word("Optimizers")) + ".. optimizer-table::\n\n" + hidden(tree([s.stem for s in optimizers()]))
    )
    found["layers"] = WIDE + heading(word("Layers")) + ".. layer-table::\n"
    found["losses"] = WIDE + heading(word("Losses")) + ".. layer-table:: loss\n"
    found["claims/index"] = heading(word("What lecture notes claim")) + ".. claim-table::\n\n" + hidden(tree(list(NAMES)))
    found |= {f"claims/{name}": heading(title_of(name)) + f".. claim:: {name}\n" for name in NAMES}
    return found


def hidden(text: str) -> str:
    return text.replace(":maxdepth: 1", ":maxdepth: 1\n   :hidden:", 1)


def write(folder: Path) -> None:
    """Write what is new or has changed, and remove pages whose source is gone."""
    wanted = {folder / f"{name}.rst": text for name, text in stubs().items()}
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for room in ("ops", "optimizers", "claims"):
        for path in (folder / room).rglob("*.rst"):
            if path not in wanted:
                path.unlink()
