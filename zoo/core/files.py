"""Files that are written whole or not at all, and figures."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zoo.core.errors import Failure


def write_whole(path: Path, *content: Any) -> None:
    """Write a file whole or not at all.

    The content goes to a temporary file in the same folder, is flushed to the disk, and gets its name in one step. If
    the process is killed at any moment, or the disk is full, the earlier file remains. Raises Failure, one line, where
    the file cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            for part in content:
                file.write(part)
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


def save_figure(figure: Figure, path: Path) -> None:
    """Draw the figure into a file, whose ending says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
