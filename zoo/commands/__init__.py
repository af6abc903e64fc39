"""The commands, one a file: scripts/train.py in a checkout and handgrad-train where Handgrad is installed are both
zoo/commands/train.py. Each ends in a call of what does the work, which is imported only then: ``--help`` is quick."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zoo.core import signals


def begin() -> Any:
    """zoo.training.cli, which takes a while to import. A signal ends the program with one line from here on."""
    signals.handle(signals.end)
    from zoo.training import cli

    return cli


@contextmanager
def in_one_line() -> Iterator[None]:
    """For a command that has no configuration: a mistake or a signal ends it with one line."""
    with begin().mistakes_in_one_line(traceback_wanted=False):
        signals.handle(signals.stop)
        yield
