"""What may be imported, and from where.

A file may come from a stranger. So nothing that is read from one is imported, but for a subclass of one of our own
bases, in this program or in a package that the user has named on the command line by ``trust=their.package``. And the
current folder is no place to import from, but for the packages that are named on the command line.
"""

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from zoo.core.errors import UsageError

LAYERS = ("zoo.layers", "scratch.nn")  # the packages of layers that a file may name
trusted: list[str] = []  # packages of trust=…


def is_trusted(name: str) -> bool:
    """Whether a module belongs to this program or to a package of trust=…"""
    return any(f"{name}.".startswith(f"{package}.") for package in ("zoo", *trusted))


def refuse(where: str, name: object) -> UsageError:
    """The refusal of a name that the file `where` holds."""
    package = str(name).rpartition(".")[0] or name
    return UsageError(
        f"{where}: names {name}, and a file may name classes of this program alone, or of packages that you trust: "
        f"trust={package}"
    )


def named_class(where: str, name: object, base: type) -> Any:
    """The class that the file `where` names: a subclass of `base`, in this program or a package of trust=…

    Raises UsageError, before anything is imported, for a name outside of these.
    """
    module, _, kind = str(name).rpartition(".")
    if not is_trusted(module):
        raise refuse(where, name)
    try:
        found = getattr(import_module(module), kind)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{where}: names {name}, which is not there: {error}") from error
    if not (isinstance(found, type) and issubclass(found, base) and is_trusted(found.__module__)):
        raise UsageError(f"{where}: names {name}, which is no {base.__name__} of this program or of trust=…")
    return found


def check_layers(where: str, package: object) -> None:
    """Refuse a package of layers that the file `where` names, unless it is one of ours or of trust=…"""
    if package not in LAYERS and not any(f"{package}.".startswith(f"{name}.") for name in trusted):
        raise UsageError(
            f"{where}: names the package of layers {package}; take another by impl=…, or if you trust it, "
            f"trust={package}"
        )


def plain(where: str, value: Any) -> Any:
    """A value from the file `where` as Hydra may have it: nothing to import, to interpolate or to compose.

    Raises UsageError for keys with a meaning of their own, such as _target_.
    """
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key.startswith("_") or key == "defaults":
                raise UsageError(f"{where}: holds the key {key!r}, which a file may not have there")
        return {key: plain(where, part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(where, part) for part in value]
    if isinstance(value, str) and "${" in value:
        raise UsageError(f"{where}: holds an interpolation, {value!r}, which a file may not")
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise UsageError(f"{where}: holds a {type(value).__name__}, where a file may have plain values alone")
    return value


# The command line.


class CurrentFolder:
    """The last of Python's finders: the packages that the user has named, in the current folder.

    With the folder on ``sys.path`` instead, any file in it could take the place of a module that somebody's package
    looks for.
    """

    names: frozenset[str] = frozenset()
    folder = ""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [cls.folder]) if path is None and name in cls.names else None


def named_packages(words: Iterable[str]) -> list[str]:
    """The packages and classes that the words of a command line name."""
    named = []
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if key in ("trust", "impl", "impl@reference") or key.endswith(("._target_", ".layers", ".optim")):
            named += [part.strip(" '\"") for part in value.strip("[]").split(",")]
    return named


def heed(words: Iterable[str]) -> None:
    """Trust the packages of trust=…, and let those that the command line names be found in the current folder."""
    words = list(words)
    trusted[:] = [name for name in named_packages(word for word in words if word.startswith("trust=")) if name]
    CurrentFolder.names = frozenset(name.partition(".")[0] for name in named_packages(words))
    CurrentFolder.folder = str(Path.cwd())
    if CurrentFolder not in sys.meta_path:
        sys.meta_path.append(CurrentFolder)


def leave_current_folder() -> None:
    """Take the current folder, which ``python -m`` has put there, off ``sys.path``; leave this program's own."""
    program, here = Path(__file__).parents[2].resolve(), Path.cwd().resolve()
    sys.path[:] = [path for path in sys.path if (found := Path(path or ".").resolve()) != here or found == program]
