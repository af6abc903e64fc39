"""TODO."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zoo.core.errors import Failure


def write_whole(path: Path, content: Any) -> None:
    """Write a file whole or not at all: under another name beside it, down to the disk, then to its name in one step.

    Whoever is killed at any moment, or finds the disk full, leaves what was there before. Raises Failure, one line.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        kept = "; it still holds what was written before" if path.exists() else ""
        raise Failure(f"cannot write {path}: {error.strerror or error}{kept}") from error
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        with suppress(OSError):  # some network file systems cannot
            os.fsync(folder)
        os.close(folder)


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
