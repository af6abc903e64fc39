"""The user's mistakes, told in one line that names the wrong value and the legal ones; and what nobody can help."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.util import find_spec


class UsageError(ValueError):
    """A wrong value from the user. Scripts print its one line and exit with status 2, without a traceback."""


class Failure(RuntimeError):
    """What befell a run from outside, such as a full disk. Scripts print its one line and exit with status 1."""


def number(name: str, value: object) -> float:
    """The value, if it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}={value}: must be a number")
    return value


def at_least(name: str, value: object, low: float) -> None:
    """Refuse what is not a number or is below `low`."""
    if not number(name, value) >= low:
        raise UsageError(f"{name}={value}: must be at least {low}")


def whole(name: str, value: object, low: int) -> None:
    """Refuse what is not a whole number or is below `low`."""
    at_least(name, value, low)
    if not isinstance(value, int):
        raise UsageError(f"{name}={value}: must be a whole number")


def between(name: str, value: object, low: float, high: float) -> None:
    """Refuse what is not a number or is outside [low, high)."""
    if not low <= number(name, value) < high:
        raise UsageError(f"{name}={value}: must be at least {low} and less than {high}")


def listed(name: str, value: object) -> None:
    """Refuse what is not a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{name}={value}: must be a list, such as {name}=[{value}]")


def one_of(name: str, value: object, legal: Iterable[object]) -> None:
    """Refuse a value that is not among the legal ones."""
    legal = list(legal)
    if value not in legal:
        raise UsageError(f"{name}={value}: unknown{did_you_mean(value, legal)}; legal are {listing(legal)}")


def installed(package: str, name: str) -> None:
    """Refuse what an optional package is needed for and not there."""
    if find_spec(package) is None:
        raise UsageError(f"{name}: needs the package {package}, which is not installed: pip install {package}")


def did_you_mean(value: object, legal: Iterable[object]) -> str:
    """ ", did you mean 'x'?" where a legal name is close to the value, else nothing."""
    names = {str(name).lower(): str(name) for name in legal}
    close = get_close_matches(str(value).lower(), names, n=1)
    return f", did you mean {names[close[0]]!r}?" if close else ""


def listing(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names) or "none"
