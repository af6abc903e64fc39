"""The user's mistakes: told in one line that names the wrong value and the legal ones."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(ValueError):
    """A wrong value from the user. Scripts print its one line and exit with status 2, without a traceback."""


def at_least(name: str, value: float, low: float) -> None:
    """Refuse a value below `low`."""
    if not value >= low:
        raise UsageError(f"{name}={value}: must be at least {low}")


def between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside [low, high)."""
    if not low <= value < high:
        raise UsageError(f"{name}={value}: must be at least {low} and less than {high}")


def one_of(name: str, value: object, legal: Iterable[object]) -> None:
    """Refuse a value that is not among the legal ones."""
    legal = list(legal)
    if value not in legal:
        raise UsageError(f"{name}={value}: unknown{did_you_mean(value, legal)}; legal are {listing(legal)}")


def did_you_mean(value: object, legal: Iterable[object]) -> str:
    """", did you mean 'x'?" where a legal name is close to the value, else nothing."""
    close = get_close_matches(str(value), [str(name) for name in legal], n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def listing(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names) or "none"
