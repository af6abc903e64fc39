"""A class or function of one's own, in one call:

    check(my_gelu, torch.nn.functional.gelu, inputs=[normal(4, 5)])
    check(MyLinear, torch.nn.Linear, 5, 3, inputs=[normal(4, 5)])     # built with (5, 3)
    check(my_kernel, inputs=[normal(4, 5)])                           # no reference: finite differences alone
    check(MyAdam, torch.optim.Adam, lr=0.01)

Runs every check on it, and raises one `Mismatch` that tells each cause once. A reference is any callable of the same
inputs. Where there is none the candidate is held against itself: its derivatives of both orders against finite
differences, its tangents against its adjoints, its results against those for contiguous tensors, other subsets of
gradients, a second backward, lower precision.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing.calls import Case
from scratch.testing.compare import Check, Mismatch, mapped, named
from scratch.testing.contract import CONTRACT_CHECKS
from scratch.testing.layers import CHECKS, mode_name, modes
from scratch.testing.optimizers import (
    OPTIMIZER_CHECKS,
    OptimizerCase,
    huge_gradients,
    missing_gradients,
    random_gradients,
)
from scratch.testing.packages import Namespace, offers, resolve
from scratch.testing.report import Report, told_of
from scratch.testing.running import pair
from scratch.testing.suite import Task, identified, judge
from scratch.testing.tangents import drawn, forward_mode, require_transposed
from scratch.testing.transforms import Pure

OWN_CHECKS: dict[str, Check] = {}  # for what has no reference


def check(
    candidate: Callable[..., Any],
    reference: Callable[..., Any] | None = None,
    *args: Any,
    inputs: Sequence[Callable[[Generator], Any]] = (),
    checks: Collection[str] | None = None,
    **kwargs: Any,
) -> dict[str, float | None]:
    """Run every check of a class or function, or the named ones; the largest relative error that each saw.

    A class of modules or optimizers is built with the arguments; a function is called with the inputs before them. All
    but two checks compute in float64; for a kernel that knows no other type, ``checks=["float32"]``.

    Raises `Mismatch` with all that is wrong.
    """
    tasks = own_tasks(candidate, reference, args, kwargs, inputs)
    tasks = [task for task in tasks if checks is None or task.check in checks]
    results = list(judge(tasks, candidate, candidate))
    wrong = Report(name_of(candidate), "" if reference is None else name_of(reference), "", results=results)
    if told := told_of(wrong, "failed", "not offered"):
        raise Mismatch(f"{name_of(candidate)} is wrong\n{told}")
    return {result.check: result.error for result in results}


def own_tasks(
    candidate: Callable[..., Any],
    reference: Callable[..., Any] | None,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    inputs: Sequence[Callable[[Generator], Any]],
) -> list[Task]:
    name = name_of(candidate)
    if isinstance(candidate, type) and issubclass(candidate, torch.optim.Optimizer):
        if reference is None:
            raise TypeError(f"{name} is an optimizer: what is right only a reference can tell")
        kinds = random_gradients, missing_gradients, huge_gradients
        return tasks_of([OptimizerCase(name, kwargs, gradients=g, reference=reference) for g in kinds], candidate)
    module = isinstance(candidate, type) and issubclass(candidate, torch.nn.Module)
    title = name if module else f"functional.{name}"
    return tasks_of([Case(title, tuple(args), kwargs, tuple(inputs), reference=reference)], candidate)


def tasks_of(cases: Iterable[Any], candidate: Namespace, reference: Namespace | None = None) -> list[Task]:
    """What is asked of classes and functions that the table of cases does not know. Where neither a case nor the
    reference package knows what to compare one with, it is held against itself."""
    found = []
    for title, case in identified(cases):
        if isinstance(case, OptimizerCase):
            checks = {name: OPTIMIZER_CHECKS[name] for name in ("steps", "state_dict", "copies")}
        else:
            checks = CHECKS if case.is_function else CHECKS | {"copies": CONTRACT_CHECKS["copies"]}
            if case.reference is None and not (reference and offers(reference, case.name)):
                case = case.but(reference=tidy(resolve(candidate, case.name)))
                checks = {name: run for name, run in (checks | OWN_CHECKS).items() if name != "views"}
        found += [Task(case, title, name, run) for name, run in checks.items()]
    return found


def name_of(target: Callable[..., Any]) -> str:
    """Its own, or that of the Function whose ``apply`` it is."""
    owner = getattr(target, "__self__", None)
    return owner.__name__ if isinstance(owner, type) else getattr(target, "__name__", type(target).__name__)


class Tidied(torch.autograd.Function):
    """The identity, which hands on a contiguous gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone(memory_format=torch.contiguous_format)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.contiguous()


def tidy(candidate: Callable[..., Any]) -> Callable[..., Any]:
    """The candidate as a reference for itself: called on contiguous tensors that are its own, and differentiated once,
    by a contiguous gradient."""

    def tidily(call: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        outputs = call(*mapped(lambda t: t.clone(memory_format=torch.contiguous_format), inputs), **options)
        return mapped(lambda t: Tidied.apply(t) if t.requires_grad else t, outputs)

    if not (isinstance(candidate, type) and issubclass(candidate, torch.nn.Module)):
        return partial(tidily, candidate)

    def build(*args: Any, **kwargs: Any) -> Any:
        module = candidate(*args, **kwargs)
        module.forward = partial(tidily, module.forward)
        return module

    return build


@named(OWN_CHECKS)
def adjoint(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩, where the candidate has a forward mode: its backward applies the transpose of its tangent."""
    layer, error = pair(case, candidate, reference)[0], None
    for train in modes(case):
        pure = Pure(layer, train)
        dots = drawn(pure, case.seed + 5)
        found = forward_mode(layer, train, dots)
        if found is None:
            continue
        try:
            error = max(error or 0.0, require_transposed(pure, dots, found[1], mode_name(train), case.seed + 6))
        except RuntimeError as refused:
            if "functorch" not in str(refused):  # it does not go through torch.func
                raise
    return error
