"""Standard streams that nothing ends a run through: closed ones, pipes that nobody reads any more, and any locale."""

import io
import os
import sys
import warnings
from typing import Any


class Lasting(io.FileIO):
    """A file that writes to nowhere, once it cannot be written any more: a pipe as in ``… | head -1``, a lost terminal.

    With `needed`, for a program that only prints, it raises the error.
    """

    needed = False

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if self.needed:
                raise
            return len(content)


def make_lasting() -> None:
    """Open the standard streams that are closed, and let those for output take whatever is written."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:  # or the next file would become a standard stream
        pass
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or (stream is getattr(sys, f"__{name}__") and isinstance(stream.buffer, io.BufferedWriter)):
            if stream is not None:
                stream.flush()
            raw = Lasting(number, "w", closefd=False)
            encoding = stream.encoding if stream is not None else "utf-8"
            setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", None, True))


def allow_warnings() -> None:
    """Let a warning be a warning, where PYTHONWARNINGS=error is set: the libraries warn, and would not even import."""
    warnings.filters[:] = [each for each in warnings.filters if each[0] != "error"]  # type: ignore[index]
    os.environ.pop("PYTHONWARNINGS", None)
