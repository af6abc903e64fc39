"""What kind of wrong an optimizer is: the reference's rule is run with one mistake after the other put into it.

    explain(case, "their.optim", "torch.optim")    # "weight decay is coupled: added to the gradient"

An experiment is the case with something changed: an option, the gradients, the state before each step. What is said is
proved on these steps: the reference with this mistake goes where the candidate goes, to 1e-9.
"""

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing import diagnosis
from scratch.testing.compare import mapped
from scratch.testing.diagnosis import Difference, close, same
from scratch.testing.optimizers import OptimizerCase, Run
from scratch.testing.packages import Namespace, resolve

STEPS = 5  # after which each experiment is compared
Steps = list[list[Tensor]]  # the parameters before the first step, and after each


def nothing(run: Run, number: int) -> None:
    """What is done about a step of the reference as it is."""


@dataclass(frozen=True)
class Experiment:
    """A mistake, and the reference with this mistake in it."""

    claim: str
    case: OptimizerCase
    before: Callable[[Run, int], None] = nothing
    after: Callable[[Run, int], None] = nothing


def trajectory(run: Run, steps: int, before: Any = nothing, after: Any = nothing) -> Steps:
    found = [mapped(torch.clone, run.values())]
    for number in range(steps):
        before(run, number)
        run.step(number)
        after(run, number)
        found.append(mapped(torch.clone, run.values()))
    return found


def alike(one: Steps, other: Steps) -> bool:
    return all(same(a, e) for ours, theirs in zip(one, other, strict=True) for a, e in zip(ours, theirs, strict=True))


def explain(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> str:
    """The first experiment that goes where the candidate goes; "" where none does, or they do not differ."""
    like = case.reference or reference
    steps = min(case.steps, STEPS)
    ours, theirs = trajectory(Run(case, candidate, like), steps), trajectory(Run(case, like), steps)
    if alike(ours, theirs):
        return ""
    for experiment in experiments(case, Run(case, like), inspect.signature(resolve(like, case.name)).parameters):
        try:
            if alike(ours, trajectory(Run(experiment.case, like), steps, experiment.before, experiment.after)):
                return experiment.claim
        except (RuntimeError, ValueError, TypeError, ArithmeticError, AssertionError):  # it does not fit this rule
            continue
    for mine, right in zip(ours[-1], theirs[-1], strict=True):
        if lost := diagnosis.attempt(diagnosis.rounded, Difference(mine, right)):
            return lost
    if case.objective is None and not case.groups:
        for claim in (epsilon(case, ours, theirs, like), correction(case, ours, theirs)):
            if claim:
                return claim
    return ""


def reference_rounds(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> str:
    """Whether the reference keeps numbers in the default type, float32: with a default of float64 it goes where the
    candidate goes."""
    like, before = case.reference or reference, torch.get_default_dtype()
    ours = trajectory(Run(case, candidate, like), STEPS)
    torch.set_default_dtype(torch.float64)
    try:
        same = alike(ours, trajectory(Run(case, like), STEPS))
    finally:
        torch.set_default_dtype(before)
    return "yes" if same else ""


def explain_loading(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> str:
    """What is lost on the way through ``state_dict`` and ``load_state_dict``."""
    like, half = case.reference or reference, STEPS

    def reload(package: Namespace, change: Callable[[dict[str, Any]], None]) -> Steps:
        first, second = Run(case, package, like), Run(case, package, like)
        trajectory(first, half)
        for p, value in zip(second.parameters, first.values(), strict=True):
            p.data.copy_(value)
        second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
        for state in second.optimizer.state.values():
            change(state)
        return trajectory(second, STEPS)

    def restart(state: dict[str, Any]) -> None:
        state["step"] = torch.zeros_like(state["step"]) if isinstance(state["step"], Tensor) else 0

    ours = reload(candidate, lambda state: None)
    for claim, change in (("the step counter", restart), ("the state", dict.clear)):
        try:
            if alike(ours, reload(like, change)):
                return f"{claim} is lost when a state is loaded"
        except (KeyError, RuntimeError):
            continue
    return ""


# ----------------------------------------------------------------------------------------------- experiments


def experiments(case: OptimizerCase, run: Run, parameters: Any) -> Iterator[Experiment]:
    options = run.optimizer.defaults
    for key, value in case.kwargs.items():
        kwargs = {other: v for other, v in case.kwargs.items() if other != key}
        yield Experiment(f"the option {key} is ignored", case.but(kwargs=kwargs))
        if isinstance(value, tuple) and len(value) == 2:
            yield Experiment(f"the two of {key} are exchanged", case.but(kwargs={**kwargs, key: value[::-1]}))
            for i in range(2):
                default = parameters[key].default[i]
                mixed = tuple(default if j == i else v for j, v in enumerate(value))
                yield Experiment(f"{key}[{i}] is ignored", case.but(kwargs={**kwargs, key: mixed}))
    yield from with_gradients(case)
    if not case.groups:
        yield from with_decay(case, options)
    for key, value in options.items():
        if isinstance(value, bool) and key in parameters and key not in ("foreach", "fused", "capturable"):
            flipped = case.but(kwargs={**case.kwargs, key: not value})
            yield Experiment(f"it steps as with {key}={not value}", flipped)
    for i, group in enumerate(case.groups):
        for key in group:
            fewer = [{k: v for k, v in g.items() if (j, k) != (i, key)} for j, g in enumerate(case.groups)]
            yield Experiment(f"the option {key} of a group is ignored", case.but(groups=fewer))
    yield from with_counter(case)


def fed(case: OptimizerCase, change: Callable[[Sequence[Tensor], list[Tensor | None], int], Any]) -> OptimizerCase:
    """The case with other gradients: change(parameters, gradients, number of the step)."""

    def gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> Sequence[Tensor | None]:
        return change(parameters, list(case.gradients(parameters, step, generator)), step)

    return case.but(gradients=gradients)


def each(function: Callable[[Tensor], Tensor]) -> Callable[..., list[Tensor | None]]:
    return lambda ps, gs, step: [None if g is None else function(g) for g in gs]


def with_gradients(case: OptimizerCase) -> Iterator[Experiment]:
    if case.objective is not None:
        objective = case.objective
        yield Experiment("it climbs: the gradient has the wrong sign", case.but(objective=lambda ps: -objective(ps)))
        return
    yield Experiment("it climbs: the gradient has the wrong sign", fed(case, each(torch.neg)))

    def filled(parameters: Sequence[Tensor], gradients: list[Tensor | None], step: int) -> list[Tensor | None]:
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]

    yield Experiment("a parameter without a gradient is treated as if its gradient were zero", fed(case, filled))

    def before(parameters: Sequence[Tensor], gradients: list[Tensor | None], step: int) -> Sequence[Tensor | None]:
        earlier = Generator().manual_seed(1000 * case.seed + max(step - 1, 0))
        return case.gradients(parameters, max(step - 1, 0), earlier)

    yield Experiment("each step takes the gradient of the step before", fed(case, before))
    if any(g is not None and g.is_sparse for g in first(case)):
        last = fed(case, each(once))
        yield Experiment("of several values for one row of a sparse gradient only the last counts", last)


def first(case: OptimizerCase) -> list[Tensor | None]:
    """The gradients of the first step."""
    generator = Generator().manual_seed(case.seed)
    parameters = [draw(generator) for draw in case.parameters]
    return list(case.gradients(parameters, 0, Generator().manual_seed(1000 * case.seed)))


def once(gradient: Tensor) -> Tensor:
    """A sparse gradient in which each row is named once."""
    rows = {int(row): value for row, value in zip(gradient._indices()[0], gradient._values(), strict=True)}
    return torch.sparse_coo_tensor(torch.tensor([[*rows]]), torch.stack([*rows.values()]), gradient.shape)


def with_decay(case: OptimizerCase, options: dict[str, Any]) -> Iterator[Experiment]:
    decay, lr = options.get("weight_decay") or 0.0, options.get("lr")
    if not decay or not isinstance(lr, float):
        return
    without = case.but(kwargs={**case.kwargs, "weight_decay": 0.0})
    sign = -1 if options.get("maximize") else 1

    def coupled(parameters: Sequence[Tensor], gradients: list[Tensor | None], step: int) -> list[Tensor | None]:
        return [g if g is None else g + sign * decay * p for p, g in zip(parameters, gradients, strict=True)]

    def shrink(by: float) -> Callable[[Run, int], None]:
        def change(run: Run, number: int) -> None:
            with torch.no_grad():
                for p in run.parameters:
                    p.mul_(1 - by)

        return change

    yield Experiment("weight decay is missing", without)
    yield Experiment("weight decay is coupled: added to the gradient", fed(without, coupled))
    yield Experiment("weight decay is decoupled: it shrinks the weights, not the gradient", without, shrink(lr * decay))
    yield Experiment("weight decay is not multiplied by lr", without, shrink(decay))
    yield Experiment("weight decay comes after the step instead of before", without, nothing, shrink(lr * decay))
    yield Experiment("weight decay has the wrong sign", case.but(kwargs={**case.kwargs, "weight_decay": -decay}))


def with_counter(case: OptimizerCase) -> Iterator[Experiment]:
    """The state has a ``step``, which counts from 1."""

    def counted(change: Callable[[Any, int], Any]) -> Callable[[Run, int], None]:
        def before(run: Run, number: int) -> None:
            if number == 0:
                begin(run)
            for state in run.optimizer.state.values():
                new = change(state["step"], number)
                state["step"] = torch.full_like(state["step"], float(new)) if isinstance(state["step"], Tensor) else new

        return before

    yield Experiment("the step counter is one ahead", case, counted(lambda step, number: number + 1))
    yield Experiment("the step counter is one behind", case, counted(lambda step, number: number - 1))
    yield Experiment("the step counter stays at 1", case, counted(lambda step, number: 0))
    yield Experiment("the bias correction is missing", case, counted(lambda step, number: 2**40))


def begin(run: Run) -> None:
    """Make the state that the first step would make, and undo this step."""
    before = copy.deepcopy(run.optimizer.state_dict())
    values = mapped(torch.clone, run.values())
    run.step(0)
    with torch.no_grad():
        for p, value in zip(run.parameters, values, strict=True):
            p.copy_(value)
    for place, state in enumerate(run.optimizer.state.values()):
        for key, value in state.items():
            if isinstance(value, Tensor):
                old = before["state"].get(place, {}).get(key)
                value.copy_(torch.full_like(value, float(key == "mu_product")) if old is None else old)


# ------------------------------------------------------------------------------------------ by the first steps


def epsilon(case: OptimizerCase, ours: Steps, theirs: Steps, like: Namespace) -> str:
    """Where ε stands. Without it the first step is N / R, with it N / (R + ε): R and N follow, and where else ε may
    have been added."""
    options = Run(case, like).optimizer.defaults
    eps = options.get("eps")
    if not isinstance(eps, float) or not eps:
        return ""
    bare = trajectory(Run(case.but(kwargs={**case.kwargs, "eps": 0.0}), like), 1)
    steps = [[torch.cat([(b - a).flatten() for a, b in zip(x[0], x[1], strict=True)])] for x in (ours, theirs, bare)]
    mine, right, free = (step[0] for step in steps)
    moved = (free != right) & (free != 0)
    if not moved.any():
        return ""
    mine, right, free = mine[moved], right[moved], free[moved]
    root = eps * right / (free - right)
    above = free * root
    roots = {"betas": options.get("betas", (0, 0))[-1], "alpha": options.get("alpha", 0)}
    last = next((1 - value for value in roots.values() if value), 1.0)  # 1 − β₂, what the first square is multiplied by
    for claim, below in (
        ("ε is missing", root),
        ("ε stands inside the root: √(v + ε) for √v + ε", (root**2 + eps).sqrt()),
        ("ε stands inside the root, squared: √(v + ε²) for √v + ε", (root**2 + eps**2).sqrt()),
        ("ε stands before the bias correction: (√v + ε) / √(1 − β₂ᵗ)", root + eps / math.sqrt(last)),
        ("ε stands inside the root before the bias correction: √(v + ε) / √(1 − β₂ᵗ)", (root**2 + eps / last).sqrt()),
        ("ε stands behind the root, squared", root + eps**2),
        ("ε is added twice", root + 2 * eps),
        ("max(√v, ε) for √v + ε", root.clamp(min=eps)),
    ):
        if torch.allclose(mine, above / below, rtol=1e-6, atol=0):
            return claim
    return ""


def correction(case: OptimizerCase, ours: Steps, theirs: Steps) -> str:
    """A factor that all of the update has in each step."""
    factors = []
    for number in range(1, len(ours)):
        sides = ([torch.flatten(b - a) for a, b in zip(x[number - 1], x[number], strict=True)] for x in (ours, theirs))
        mine, right = map(torch.cat, sides)
        c = ((mine * right).sum() / (right * right).sum()).item() if right.any() else math.nan
        if not torch.allclose(mine, c * right, rtol=1e-4, atol=1e-4 * right.abs().max().item()):
            return ""
        factors.append(c)
    options = {name: value for name, value in case.kwargs.items() if isinstance(value, float)}
    betas = case.kwargs.get("betas", (0.9, 0.999))
    steps = range(1, len(factors) + 1)
    for claim, expected in (
        ("the bias correction of the first moment, 1 − β₁ᵗ, is missing", [1 - betas[0] ** t for t in steps]),
        ("the bias correction of the second moment, 1 − β₂ᵗ, is missing", [(1 - betas[1] ** t) ** -0.5 for t in steps]),
        *(
            (f"the step is multiplied by {name} once too often", [value for _ in steps])
            for name, value in options.items()
        ),
        *((f"the factor {name} is missing", [1 / value for _ in steps]) for name, value in options.items() if value),
        *((f"the factor 1 − {name} is one too many", [1 - value for _ in steps]) for name, value in options.items()),
    ):
        if all(abs(c - e) < 1e-3 * abs(e) and not close(e, 1) for c, e in zip(factors, expected, strict=True)):
            return claim
    if all(abs(c - factors[0]) < 1e-3 < abs(c - 1) for c in factors):
        return f"every step is {factors[0]:.4g} times as long" if abs(factors[0]) > 1e-6 else "it does not move"
    return ""
