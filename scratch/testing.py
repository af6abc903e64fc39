"""The equivalence harness: does a layer compute what its reference computes, and are its gradients exact?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

Source = Callable[[Generator], Tensor]


def normal(*shape: int) -> Source:
    """A standard normal float64 tensor."""
    return lambda generator: torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Source:
    """A float64 tensor, uniform in [low, high)."""
    return lambda g: low + (high - low) * torch.rand(*shape, generator=g, dtype=torch.float64)


def distinct(*shape: int) -> Source:
    """All values different by at least 0.1, in random order: no ties and no kinks within reach of a finite
    difference, for maxima, ReLU and the like."""

    def source(generator: Generator) -> Tensor:
        count = torch.Size(shape).numel()
        values = 0.1 * (torch.randperm(count, generator=generator).to(torch.float64) - count / 2 + 0.25)
        return values.reshape(shape)

    return source


def integers(high: int, *shape: int, low: int = 0) -> Source:
    """An int64 tensor in [low, high): class numbers, tokens."""
    return lambda generator: torch.randint(low, high, shape, generator=generator)


@dataclass(frozen=True)
class Case:
    """One call to compare: ``getattr(package, name)(*args, **kwargs)`` applied to ``inputs``.

    A dotted name such as "functional.linear" is a plain function, called as ``f(*inputs, *args, **kwargs)``.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Source, ...] = ()
    second_order: bool = True  # gradgradcheck too
    finite_differences: bool = True  # False where the function is random or has a kink at the given point
    seed: int = 0

    def but(self, **changes: Any) -> "Case":
        return replace(self, **changes)

    def __str__(self) -> str:
        options = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"{self.name}({', '.join(options)})"


def case(name: str, *args: Any, inputs: Sequence[Source], **kwargs: Any) -> Case:
    return Case(name, args, kwargs, tuple(inputs))


bad = case  # a call that the reference refuses; the candidate must refuse it with the same type of exception
