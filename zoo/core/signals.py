"""Signals that ask a program to end: Ctrl-C, and those of a batch system, a terminal that is closed, and a user.

A program that is ended by signal n has the exit status 128 + n: 130 after Ctrl-C, 143 after SIGTERM.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """Raised where the program is when it is asked to end."""


class _Received:
    number: int = signal.SIGINT


def status() -> int:
    """The exit status of a program that ends since it was asked to."""
    return 128 + _Received.number


def cause() -> str:
    """What has asked the program to end: Ctrl-C, or the name of a signal."""
    return "Ctrl-C" if _Received.number == signal.SIGINT else signal.Signals(_Received.number).name


def is_interruption(ended: int) -> bool:
    """Whether the exit status of a process is that of one that was asked to end, or that such a signal has killed."""
    return any(ended in (128 + number, -number) for number in SIGNALS)


def note(number: int) -> None:
    """Remember which signal came."""
    _Received.number = number


def stop(number: int, frame: Any) -> None:
    """The handler while nothing is to be saved."""
    note(number)
    raise Stopped


def leave(number: int, frame: Any) -> None:
    """The handler while modules are imported, which may catch any exception: one line, and the end."""
    note(number)
    os.write(2, f"\nStopped by {cause()}; nothing had begun.\n".encode())
    os._exit(status())


def handle(handler: Any) -> dict[int, Any]:
    """Set the handler of all these signals that are not ignored, as with nohup; return those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    return before


def restore(before: dict[int, Any]) -> None:
    """Give the signals the handlers that they had."""
    for number, handler in before.items():
        signal.signal(number, handler)


def tell() -> None:
    """Print the one line of a program that was asked to end."""
    with suppress(OSError, ValueError):  # standard error may be closed
        print(f"\nStopped by {cause()}.", file=sys.stderr)
