"""What a package offers under a name, and how it takes a call that was written for another package."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter
from pathlib import Path
from types import ModuleType
from typing import Any

Namespace = str | ModuleType | Callable[..., Any]  # a package as `load` takes it, or the very thing to call


class Missing(AttributeError):
    """A package does not offer a name, or what it offers under this name lacks an option."""


@cache
def load(text: str) -> Any:
    """What a text names: a package (``their.package``), something in one (``torch.nn.Linear``), a file (``model.py``),
    or something in either (``model.py:Mine``, ``their.package:Mine``).

    Raises `ImportError`, in one line, where there is no such thing."""
    home, _, inside = text.partition(":")
    if home.endswith(".py"):
        found: Any = _from_file(Path(home))
    else:
        try:
            found = importlib.import_module(home)
        except ModuleNotFoundError as error:
            parent, _, last = home.rpartition(".")
            if not parent or error.name is None or not home.startswith(error.name):
                raise
            try:
                found = _inside(load(parent), last)
            except ImportError:  # which names less of the text than was asked for
                raise error from None
            if found is None:
                raise ImportError(f"{parent} has no {last}") from None
    for part in inside.split(".") if inside else ():
        found = _inside(found, part)
        if found is None:
            raise ImportError(f"{home} has no {inside}")
    return found


def _from_file(path: Path) -> ModuleType:
    """The module in a file, which finds what lies beside it, as a script does."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ImportError(f"no such file: {path}")
    if (folder := str(path.parent.resolve())) not in sys.path:
        sys.path.insert(0, folder)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)  # where pickle looks for its classes
    spec.loader.exec_module(module)
    return module


def _inside(parent: Any, name: str) -> Any:
    """``parent.name``, a module too; None where there is none."""
    found = getattr(parent, name, None)
    if found is None and isinstance(parent, ModuleType):
        try:
            found = importlib.import_module(f"{parent.__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (parent.__name__, f"{parent.__name__}.{name}"):
                raise
    return found


def resolve(package: Namespace, name: str) -> Any:
    """``package.name``, where both may be dotted. Something callable is its own answer."""
    found = load(package) if isinstance(package, str) else package
    if callable(found):
        return found
    for part in name.split("."):
        found = _inside(found, part)
        if found is None:
            raise Missing(f"{title(package)} offers no {name}")
    return found


def offers(package: Namespace, name: str) -> bool:
    try:
        resolve(package, name)
    except Missing:
        return False
    return True


def title(package: Namespace) -> str:
    return package if isinstance(package, str) else getattr(package, "__name__", type(package).__name__)


@cache
def _parameters(target: Callable[..., Any]) -> Mapping[str, Parameter] | None:
    """The parameters of a callable by name; None where Python does not know them."""
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None


def adapted(
    target: Callable[..., Any],
    like: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: int = 0,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call of ``like``, of which this many inputs came before, as ``target`` takes them.

    Where the two take the same in another order, or by other defaults, an argument is given by its name: that their
    signatures differ is a finding of its own, and their numbers can be compared all the same. Raises `Missing` for an
    option that the target lacks, unless it is the one that it would have by default."""
    theirs, ours = _parameters(like), _parameters(target)
    if target is like or theirs is None or ours is None or list(theirs.values()) == list(ours.values()):
        return tuple(args), dict(kwargs)
    if any(p.kind is Parameter.VAR_POSITIONAL for p in (*theirs.values(), *ours.values())):
        return tuple(args), dict(kwargs)
    order, here = ([p.name for p in side.values() if p.kind in PLACED][inputs:] for side in (theirs, ours))
    takes_all = any(p.kind is Parameter.VAR_KEYWORD for p in theirs.values())
    unknown = not takes_all and not kwargs.keys() <= theirs.keys()
    if len(args) > len(order) or unknown:  # more than the reference takes: wrong on purpose
        return tuple(args), dict(kwargs)

    def own(name: str) -> str | None:
        """The target's name of a parameter: the same, or a new one in its place for the same kind of value."""
        place = order.index(name) if name in order else len(here)
        other = here[place] if place < len(here) else name
        if name in ours:
            return name
        renamed = other in ours and other not in theirs and _kind(ours[other]) is _kind(theirs[name])
        return other if renamed else None

    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in ours.values())
    placed: list[Any] = []
    named: dict[str, Any] = {}
    for place, (name, value) in enumerate([*zip(order, args, strict=False), *kwargs.items()]):
        mine = own(name) or (name if takes_any else None)
        if mine is None:
            if not _same(value, theirs[name].default):
                raise Missing(f"{title(target)} takes no {name}")
        elif place < len(args) and place == len(placed) and here[place : place + 1] == [mine]:
            placed.append(value)
        else:
            named[mine] = value
    for name, parameter in theirs.items():  # what the case leaves to the reference's defaults
        given = name in named or name in here[: len(placed)]
        if name not in ours or given or not isinstance(parameter.default, PLAIN):
            continue
        if not _same(ours[name].default, parameter.default):
            named[name] = parameter.default
    return tuple(placed), named


PLACED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
PLAIN = (bool, int, float, str, type(None))


def _kind(parameter: Parameter) -> type:
    """The kind of values that a parameter takes, judged by its default."""
    kind = type(parameter.default)
    return float if kind is int else kind


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, PLAIN) and one == other)
