"""The chapters as Jupyter notebooks: python -m book.code.notebooks FOLDER

The text of a chapter is MyST, of which Jupyter knows less: labels of equations become numbers, notes become quotations,
and links lead to the other notebooks. Run them where the package is installed, from the folder of the repository.
"""

import re
import sys
from pathlib import Path

import jupytext
import nbformat

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"


def plain(text: str, numbers: dict[str, int]) -> str:
    """Markdown as Jupyter knows it; `numbers` are those of the equations so far."""

    def numbered(found: re.Match[str]) -> str:
        formula, label = found.groups()
        numbers[label] = len(numbers) + 1
        if "&" in formula or "\\\\" in formula:
            formula = f"\\begin{{aligned}}\n{formula}\n\\end{{aligned}}"
        return f"$$\n{formula}\n\\tag{{{numbers[label]}}}\n$$"

    def quoted(found: re.Match[str]) -> str:
        return "\n".join([f"> **{found[1]}**  ", *(f"> {line}" for line in found[2].strip().splitlines())])

    text = re.sub(r"^\$\$\n(.*?)\n\$\$ \(([\w-]+)\)$", numbered, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\{eq\}`([\w-]+)`", lambda found: f"({numbers.get(found[1], '?')})", text)
    text = re.sub(r"^:::\{admonition\} (.*)\n:class: \w+\n(.*?)^:::$", quoted, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\((\d\d-[\w-]+)\.md\)", r"(\1.ipynb)", text)


def notebook(path: Path) -> nbformat.NotebookNode:
    """A chapter as a notebook."""
    found = jupytext.read(path)
    numbers: dict[str, int] = {}
    for cell in found.cells:
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, numbers)
        cell.metadata.pop("tags", None)
    found.metadata.pop("jupytext", None)
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m book.code.notebooks FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(CHAPTERS.glob("*.md")):
        target = folder / f"{path.stem}.ipynb"
        nbformat.write(notebook(path), target)
        print(target)


if __name__ == "__main__":
    main()
