"""What to compare: a call of a layer or function on inputs that are drawn later, from a seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from scratch.testing.packages import Namespace


def written(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """The call as one would type it."""
    options = [*map(_repr, args), *(f"{key}={_repr(value)}" for key, value in kwargs.items())]
    return f"{name}({', '.join(options)})"


def _repr(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor({value.tolist()})"
    return value.__name__ if callable(value) and hasattr(value, "__name__") else repr(value)


@dataclass(frozen=True, eq=False)
class Source:
    """A value to be drawn from a generator; prints as it was written."""

    draw: Callable[[Generator], Any]
    text: str

    def __call__(self, generator: Generator) -> Any:
        return self.draw(generator)

    def __repr__(self) -> str:
        return self.text


def source(function: Callable[..., Any]) -> Callable[..., Source]:
    """Make of ``f(generator, *args)`` a function ``f(*args)`` that returns a `Source`."""

    @wraps(function)
    def factory(*args: Any, **kwargs: Any) -> Source:
        return Source(lambda generator: function(generator, *args, **kwargs), written(function.__name__, args, kwargs))

    return factory


@source
def normal(generator: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A standard normal tensor."""
    return torch.randn(shape, generator=generator, dtype=dtype)


@source
def uniform(generator: Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """A float64 tensor, uniform in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


@source
def distinct(generator: Generator, *shape: int) -> Tensor:
    """All values different by at least 0.1, in random order: no ties and no kinks within reach of a finite
    difference, for maxima, ReLU and the like."""
    count = torch.Size(shape).numel()
    values = 0.1 * (torch.randperm(count, generator=generator).to(torch.float64) - count / 2 + 0.25)
    return values.reshape(shape)


@source
def integers(generator: Generator, high: int, *shape: int, low: int = 0) -> Tensor:
    """An int64 tensor in [low, high): class numbers, tokens."""
    return torch.randint(low, high, shape, generator=generator)


@source
def booleans(generator: Generator, *shape: int, true: float = 0.5) -> Tensor:
    """A boolean tensor, True with probability ``true``: masks."""
    return torch.rand(shape, generator=generator) < true


@source
def probabilities(generator: Generator, *shape: int, dim: int = -1) -> Tensor:
    """Positive float64 numbers that sum to one along ``dim``."""
    weights = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    return weights / weights.sum(dim, keepdim=True)


@source
def packed(generator: Generator, lengths: Sequence[int], size: int) -> PackedSequence:
    """Standard normal sequences of the given lengths, in any order, packed."""
    padded = torch.randn(max(lengths), len(lengths), size, generator=generator, dtype=torch.float64)
    return pack_padded_sequence(padded, torch.tensor(lengths), enforce_sorted=False)


@source
def given(generator: Generator, values: Any, dtype: torch.dtype | None = None) -> Tensor:
    """These values; numbers with a point become float64."""
    tensor = torch.as_tensor(values, dtype=dtype).clone()
    return tensor.to(torch.float64) if dtype is None and tensor.is_floating_point() else tensor


def changes(case: Any, *but: str) -> str:
    """The fields of a case, but these, that are not at their defaults: ``.but(seed=1)``."""
    defaults = {f.name: f.default_factory() if callable(f.default_factory) else f.default for f in fields(case)}
    found = {name: getattr(case, name) for name in defaults if name not in but}
    changed = {name: value for name, value in found.items() if value is not defaults[name] and value != defaults[name]}
    return written(".but", (), changed) if changed else ""


def drawn(value: Any, generator: Generator) -> Any:
    """The value with every `Source` in it replaced by what it draws."""
    if isinstance(value, Source):
        return value(generator)
    if isinstance(value, dict):
        return {key: drawn(item, generator) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(drawn(item, generator) for item in value)
    return value


@dataclass(frozen=True, eq=False)
class Case:
    """One call to compare: ``getattr(package, name)(*args, **kwargs)`` applied to ``inputs``.

    A dotted name such as "functional.linear" is a plain function, called as ``f(*inputs, *args, **kwargs)``.
    An argument may be a `Source` too: a class weight, a mask. Inputs may be any callable of a generator, and
    what they return may be nested: a pair (h, c), a PackedSequence.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Callable[[Generator], Any], ...] = ()
    call: dict[str, Any] = field(default_factory=dict)  # keyword arguments of a Module's call
    constant: tuple[int, ...] = ()  # positions of floating inputs for which no gradient is wanted
    second_order: bool = True  # the second derivative too
    finite_differences: bool = True  # False where there is a kink at the given point
    bfloat16: bool = True  # False for several layers in a row: whose rounding errors turn out larger is chance
    same_random: bool = True  # False where the two draw random numbers in ways that cannot agree
    reference: Namespace | None = None  # what to compare with, where the reference package has no such name
    seed: int = 0
    since: tuple[int, int] = (0, 0)  # the first version of torch that does so, where that is not the lowest

    @property
    def is_function(self) -> bool:
        return "." in self.name

    def but(self, **changes: Any) -> "Case":
        return replace(self, **changes)

    def draw_inputs(self) -> tuple[Any, ...]:
        generator = Generator().manual_seed(self.seed)
        return tuple(make(generator) for make in self.inputs)

    def draw_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        return drawn((self.args, self.kwargs, self.call), Generator().manual_seed(self.seed + 1))

    def __str__(self) -> str:
        return written(self.name, self.args, self.kwargs)

    def __repr__(self) -> str:
        """The code that makes this case."""
        inputs = ", ".join(map(_repr, self.inputs))
        code = written("case", (self.name, *self.args), self.kwargs)
        return f"{code[:-1]}, inputs=[{inputs}])" + changes(self, "name", "args", "kwargs", "inputs")


def case(name: str, *args: Any, inputs: Sequence[Callable[[Generator], Any]], **kwargs: Any) -> Case:
    return Case(name, args, kwargs, tuple(inputs))


TORCH = tuple(map(int, torch.__version__.split(".")[:2]))  # (2, 14)
NEWEST = (2, 14)  # of the versions that the tables are written for

bad = case  # a call that the reference refuses; the candidate must refuse it with the same type of exception
