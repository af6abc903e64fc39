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
    any: bool = False


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
    _Received.number, _Received.any = number, True


def came() -> bool:
    """Whether this program was asked to end."""
    return _Received.any


def end(number: int, frame: Any) -> None:
    """The handler while nothing has begun: end at once."""
    note(number)
    tell()
    os._exit(status())


def stop(number: int, frame: Any) -> None:
    """The handler while nothing is to be saved. In an import, which may catch any exception, end at once."""
    note(number)
    place = frame
    while place is not None:
        if place.f_code.co_filename == "<frozen importlib._bootstrap>":
            end(number, frame)
        place = place.f_back
    raise Stopped


def handle(handler: Any) -> dict[int, Any]:
    """Set the handler of all these signals that are not ignored, as with nohup; return those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    _Received.any = False
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
