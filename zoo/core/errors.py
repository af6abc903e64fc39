"""Wrong values and failures, and the checks that raise them.

A `UsageError` is a mistake of the user's, a `Failure` something that happened to the program from outside. Either is
one line that names the value and what would be legal. ``zoo.training.cli.mistakes_in_one_line`` prints it and ends the
process with status 2 or 1.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.util import find_spec


class UsageError(ValueError):
    """A wrong value from the user. Scripts print its one line and exit with status 2, without a traceback."""


class Failure(RuntimeError):
    """What ends a run from outside, such as a full disk. Scripts print its one line and exit with status 1."""


def number(name: str, value: object) -> float:
    """Return the value if it is a number, and refuse it otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}={value}: must be a number")
    return value


def at_least(name: str, value: object, low: float) -> None:
    """Refuse a value that is not a number or is below `low`."""
    if not number(name, value) >= low:
        raise UsageError(f"{name}={value}: must be at least {low}")


def whole(name: str, value: object, low: int) -> None:
    """Refuse a value that is not a whole number or is below `low`."""
    at_least(name, value, low)
    if not isinstance(value, int):
        raise UsageError(f"{name}={value}: must be a whole number")


def between(name: str, value: object, low: float, high: float) -> None:
    """Refuse a value that is not a number or is outside [low, high)."""
    if not low <= number(name, value) < high:
        raise UsageError(f"{name}={value}: must be at least {low} and less than {high}")


def listed(name: str, value: object) -> None:
    """Refuse a value that is not a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{name}={value}: must be a list, such as {name}=[{value}]")


def one_of(name: str, value: object, legal: Iterable[object]) -> None:
    """Refuse a value that is not among the legal ones."""
    legal = list(legal)
    if value not in legal:
        raise UsageError(f"{name}={value}: unknown{did_you_mean(value, legal)}; legal are {listing(legal)}")


def installed(package: str, name: str) -> None:
    """Refuse the option `name` where the optional package that it needs is not installed."""
    if find_spec(package) is None:
        raise UsageError(f"{name}: needs the package {package}, which is not installed: pip install {package}")


def did_you_mean(value: object, legal: Iterable[object]) -> str:
    """The text ", did you mean 'x'?" where a legal name is close to the value, else an empty text."""
    names = {str(name).lower(): str(name) for name in legal}
    close = get_close_matches(str(value).lower(), names, n=1)
    return f", did you mean {names[close[0]]!r}?" if close else ""


def listing(names: Iterable[object]) -> str:
    """The names with commas between them, or "none"."""
    return ", ".join(str(name) for name in names) or "none"
