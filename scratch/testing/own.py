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

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.func import functional_call, jvp

from scratch.testing.calls import Case
from scratch.testing.compare import Check, Mismatch, leaves, mapped, named, require_equal
from scratch.testing.contract import CONTRACT_CHECKS
from scratch.testing.layers import CHECKS, TOLERANCE, mode_name, modes
from scratch.testing.optimizers import (
    OPTIMIZER_CHECKS,
    OptimizerCase,
    huge_gradients,
    missing_gradients,
    random_gradients,
)
from scratch.testing.packages import Namespace
from scratch.testing.report import Report, told_of
from scratch.testing.running import Layer, continuous, differentiable_leaves, random
from scratch.testing.suite import Task, identified, judge
from scratch.testing.transforms import Called

OWN_CHECKS: dict[str, Check] = {}


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
    results = list(judge(tasks, candidate, reference or tidy(candidate)))
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
    cases: list[Any]
    if isinstance(candidate, type) and issubclass(candidate, torch.optim.Optimizer):
        if reference is None:
            raise TypeError(f"{name} is an optimizer: what is right only a reference can tell")
        kinds = random_gradients, missing_gradients, huge_gradients
        cases = [OptimizerCase(name, kwargs, gradients=gradients) for gradients in kinds]
        checks = {name: OPTIMIZER_CHECKS[name] for name in ("steps", "state_dict", "copies")}
    else:
        module = isinstance(candidate, type) and issubclass(candidate, torch.nn.Module)
        cases = [Case(name if module else f"functional.{name}", tuple(args), kwargs, tuple(inputs))]
        checks = CHECKS | ({"copies": CONTRACT_CHECKS["copies"]} if module else {})
        if reference is None:
            checks = checks | OWN_CHECKS
    return [Task(case, title, name, run) for title, case in identified(cases) for name, run in checks.items()]


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

    if isinstance(candidate, type) and issubclass(candidate, torch.nn.Module):

        class Tidy(candidate):  # type: ignore[misc, valid-type]
            def forward(self, *inputs: Any, **options: Any) -> Any:
                return tidily(super().forward, *inputs, **options)

        return Tidy
    return lambda *inputs, **options: tidily(candidate, *inputs, **options)


@named(OWN_CHECKS)
def adjoint(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩ for a random direction ẋ and a random upstream gradient ȳ: the map that a backward applies is the
    transpose of the one that forward mode applies. None where the candidate has no forward mode."""
    error = None
    for train in modes(case):
        layer = Layer(case, candidate)
        inputs, wanted = layer.draw()
        generator = Generator().manual_seed(case.seed + 5)
        directions = {name: random(t, generator) for name, t in wanted.items()}
        y = differentiable_leaves(layer(*inputs, train=train))
        y_bar = {name: random(t, generator) for name, t in y.items()}
        try:
            y_dot = tangents(layer, train, inputs, {name: t.detach() for name, t in wanted.items()}, directions)
        except (RuntimeError, NotImplementedError):
            return None
        x_bar = torch.autograd.grad(
            list(y.values()), list(wanted.values()), list(y_bar.values()), allow_unused=True, materialize_grads=True
        )
        left = torch.stack([(y_bar[name] * y_dot[name]).sum() for name in y]).sum()
        right = torch.stack([(g * d).sum() for g, d in zip(x_bar, directions.values(), strict=True)]).sum()
        where = f"{mode_name(train)} mode: ⟨ȳ, ẏ⟩ against ⟨x̄, ẋ⟩"
        error = max(error or 0.0, require_equal(left, right, where, TOLERANCE))
    return error


def tangents(
    layer: Layer, train: bool, inputs: Any, values: dict[str, Tensor], directions: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The derivative of every output along a direction of inputs and parameters, by forward mode."""
    called = Called(layer).train(train)
    parameters = {name for name, _ in layer.tensors()}

    def outputs(values: dict[str, Tensor]) -> dict[str, Tensor]:
        state = {f"module.{name}": t for name, t in values.items() if name in parameters}
        given = iter([t for name, t in values.items() if name not in parameters])
        placed = mapped(lambda t: next(given) if t.requires_grad else t, inputs)
        found = leaves(functional_call(called, state, placed), "output")
        return {path: t for path, t in found if isinstance(t, Tensor) and continuous(t)}

    torch.default_generator.manual_seed(layer.case.seed)
    return jvp(outputs, (values,), (directions,))[1]
