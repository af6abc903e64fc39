"""When two results count as equal, and what is said when they do not."""

import inspect
import math
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import Parameter
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from scratch.testing.packages import Missing, Namespace, title


class Mismatch(AssertionError):
    """Two implementations differ, or one breaks a rule. ``error`` is the relative error, infinite where what
    differs is not a number: a shape, a name. Where two tensors differ they are kept, with the path to them."""

    def __init__(
        self,
        message: str,
        error: float = math.inf,
        path: str = "",
        actual: Tensor | None = None,
        expected: Tensor | None = None,
    ) -> None:
        super().__init__(message)
        self.error, self.path, self.actual, self.expected = error, path, actual, expected


Check = Callable[[Any, Namespace, Namespace], float | None]


def named(checks: dict[str, Check]) -> Callable[[Check], Check]:
    """Enter a check into a table under its name, and let a failure say which case it was and how to rerun it.

    The random state is the caller's again afterwards."""

    def enter(function: Any) -> Check:
        @wraps(function)
        def check(case: Any, candidate: Namespace, reference: Namespace) -> float | None:
            with torch.random.fork_rng(devices=[]):
                try:
                    return function(case, candidate, reference)
                except Missing:
                    raise
                except Exception as error:
                    found = str(error) if isinstance(error, Mismatch) else f"{type(error).__name__}: {error}"
                    where, names = f"{title(candidate)}.{case}", f"{title(candidate)!r}, {title(reference)!r}"
                    rerun = f"{function.__module__}.{function.__name__}({case!r}, {names})"
                    size = getattr(error, "error", math.inf)
                    raise Mismatch(f"{where}: {function.__name__}: {found}\nRerun: {rerun}", size) from error

        checks[function.__name__] = check
        return check

    return enter


def errors(actual: Tensor, expected: Tensor, floor: float = 1e-3) -> Tensor:
    """|actual − expected| / max(max |expected|, floor), for each element.

    The scale is one number for the whole tensor, so that an element that is zero but for rounding does not
    count as wrong; the floor does the same for a tensor that is zero throughout. Equal infinities and NaN in
    the same place are no error; any other infinity or NaN is an infinite one.
    """
    wide = torch.promote_types(expected.dtype, torch.float64)
    actual, expected = actual.detach().to(wide), expected.detach().to(wide)
    same = (actual == expected) | (actual.isnan() & expected.isnan())
    difference = (actual - expected).abs().masked_fill(same, 0.0).nan_to_num(nan=torch.inf)
    size = expected.abs()
    size = size[size.isfinite()]
    scale = max(size.max().item() if size.numel() else 0.0, floor)
    return difference / scale


def relative_error(actual: Tensor, expected: Tensor, floor: float = 1e-3) -> float:
    """The largest of `errors`."""
    if actual.numel() == 0 or torch.equal(actual, expected):
        return 0.0
    if expected.dtype is torch.float64:  # the same without the care for infinities, where there are none
        error = (actual - expected).detach().abs().max() / expected.detach().abs().max().clamp(min=floor)
        if error.isfinite():
            return error.item()
    return errors(actual, expected, floor).max().item()


def worst(actual: Tensor, expected: Tensor, floor: float = 1e-3) -> str:
    """Where two tensors differ most, with both values."""
    place = errors(actual, expected, floor).argmax()
    index = [int(i) for i in torch.unravel_index(place, expected.shape)]
    return f"worst at {index}: {actual.flatten()[place].item()!r}, expected {expected.flatten()[place].item()!r}"


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf of nested tuples, lists and dicts with its path; a PackedSequence is a named tuple. A sparse matrix
    of whatever make is what its ``to_dense`` gives."""
    if hasattr(value, "to_dense") and (not isinstance(value, Tensor) or value.layout is torch.sparse_csr):
        yield path, value.to_dense()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from leaves(item, f"{path}[{place}]")
    else:
        yield path, value


PACKED = ("data", "sorted_indices", "unsorted_indices")


def mapped(function: Callable[[Tensor], Any], value: Any) -> Any:
    """The nested value with every tensor in it replaced."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: mapped(function, item) for key, item in value.items()}
    if isinstance(value, PackedSequence):  # whose batch_sizes are numbers of the host
        return value._replace(**{name: mapped(function, getattr(value, name)) for name in PACKED})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(function, item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(function, item) for item in value)
    return value


def require_equal(actual: Any, expected: Any, path: str, tolerance: float, floor: float = 1e-3) -> float:
    """Raise a `Mismatch` unless two nested values agree in structure, dtypes, shapes and, within a relative
    tolerance, in numbers. Returns the largest relative error."""
    ours, theirs = dict(leaves(actual, path)), dict(leaves(expected, path))
    if ours.keys() != theirs.keys():
        sides = (("besides", ours.keys() - theirs.keys()), ("missing", theirs.keys() - ours.keys()))
        told = "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in sides if names)
        raise Mismatch(f"{path} is built otherwise; {told}")
    return max((_require_leaf(ours[place], theirs[place], place, tolerance, floor) for place in ours), default=0.0)


def _require_leaf(actual: Any, expected: Any, path: str, tolerance: float, floor: float) -> float:
    if not (isinstance(actual, Tensor) and isinstance(expected, Tensor)):
        if isinstance(actual, float) and isinstance(expected, float):
            return _require_leaf(torch.tensor(actual), torch.tensor(expected), path, tolerance, floor)
        if type(actual) is not type(expected) or actual != expected:
            tensors = (t if isinstance(t, Tensor) else None for t in (actual, expected))
            raise Mismatch(f"{path}: {_brief(actual)}, expected {_brief(expected)}", math.inf, path, *tensors)
        return 0.0
    for what in ("dtype", "shape", "layout"):
        ours, theirs = getattr(actual, what), getattr(expected, what)
        if ours != theirs:
            message = f"{path}: {what} {_brief(ours)}, expected {_brief(theirs)}"
            raise Mismatch(message, math.inf, path, actual, expected)
    if actual.layout is not torch.strided:
        actual, expected = actual.to_dense(), expected.to_dense()
    error = relative_error(actual, expected, floor)
    if not error <= tolerance:
        message = f"{path}: relative error {error:.2g} > {tolerance:.2g}, {worst(actual, expected, floor)}"
        raise Mismatch(message, error, path, actual, expected)
    return error


def _brief(value: Any) -> str:
    if isinstance(value, torch.Size):
        return str(tuple(value))
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)


def require_signature(actual: Callable[..., Any], expected: Callable[..., Any], what: str) -> None:
    """Require the same parameters in the same order with the same defaults. The candidate may add keyword-only ones;
    a leading underscore, *args and **kwargs in the reference, or no signature at all, ask for nothing."""
    try:
        theirs = [
            p
            for p in inspect.signature(expected).parameters.values()
            if not p.name.startswith("_") and p.name != "self"
        ]
    except ValueError:  # built in
        return
    if any(p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) for p in theirs):
        return
    names = {p.name for p in theirs}
    ours = [
        p
        for p in inspect.signature(actual).parameters.values()
        if _asked(p) and (p.name in names or p.kind is not Parameter.KEYWORD_ONLY)
    ]
    shown = [", ".join(_declared(p) for p in side) for side in (ours, theirs)]
    if shown[0] != shown[1]:
        raise Mismatch(f"{what} takes ({shown[0]}), expected ({shown[1]})")


def _asked(parameter: Parameter) -> bool:
    return parameter.name != "self" and not parameter.name.startswith("_")


def _declared(parameter: Parameter) -> str:
    default = parameter.default
    if default is Parameter.empty:
        return parameter.name
    return f"{parameter.name}={default.__name__ if inspect.isfunction(default) else repr(default)}"


def require_same_error(actual: Callable[[], Any], expected: Callable[[], Any]) -> None:
    """Both raise, and the candidate's exception can be caught as the reference's."""
    theirs, ours = _raised(expected), _raised(actual)
    if theirs is None:
        raise Mismatch("the reference accepts this; it is no example of a bad argument")
    if ours is None:
        raise Mismatch(f"accepted, expected {type(theirs).__name__}: {theirs}")
    if isinstance(ours, Missing):
        raise ours
    if not isinstance(ours, type(theirs)):
        raise Mismatch(f"{type(ours).__name__}: {ours}, expected {type(theirs).__name__}: {theirs}") from ours


def _raised(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None
