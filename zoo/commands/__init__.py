"""The commands, one a file: scripts/train.py in a checkout and handgrad-train where Handgrad is installed are both
zoo/commands/train.py. Each ends in a call of what does the work, which is imported only then: ``--help`` is quick."""

from typing import Any

from zoo.core import signals


def begin() -> Any:
    """zoo.training.cli, which takes a while to import. A signal ends the program with one line from here on."""
    signals.handle(signals.stop)
    from zoo.training import cli

    return cli
