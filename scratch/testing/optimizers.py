"""Compare an optimizer with its reference: parameters and state after every step."""

import copy
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from scratch.testing.calls import changes, normal, written
from scratch.testing.compare import Check, Mismatch, named, require_equal, require_same_error, require_signature
from scratch.testing.packages import Namespace, adapted, resolve, title
from scratch.testing.running import placed

TOLERANCE = 1e-9
OPTIMIZER_CHECKS: dict[str, Check] = {}  # for cases
BAD_OPTIMIZER_CHECKS: dict[str, Check] = {}  # for cases that are wrong on purpose

Gradients = Callable[[Sequence[Tensor], int, Generator], Sequence[Tensor | None]]


def random_gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> list[Tensor | None]:
    """Standard normal gradients, new ones at every step."""
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]


def huge_gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> list[Tensor | None]:
    """Gradients of very different sizes, from 1e-12 to 1e+12."""
    return [
        torch.randn(p.shape, generator=generator, dtype=p.dtype)
        * 10 ** (24 * torch.rand(p.shape, generator=generator, dtype=torch.float64) - 12)
        for p in parameters
    ]


def missing_gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> list[Tensor | None]:
    """None for the first parameter always, for the others now and then: each keeps its own step count."""
    drawn = random_gradients(parameters, step, generator)
    return [None if i == 0 or (i + step) % 3 == 0 else gradient for i, gradient in enumerate(drawn)]


def sparse_gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> list[Tensor | None]:
    """Sparse COO gradients over the first dimension, not coalesced: two of the rows named are the same."""
    gradients: list[Tensor | None] = []
    for p in parameters:
        rows = torch.randint(len(p), (1, 3), generator=generator)
        rows[0, 2] = rows[0, 0]
        values = torch.randn(3, *p.shape[1:], generator=generator, dtype=p.dtype)
        gradients.append(torch.sparse_coo_tensor(rows, values, p.shape, check_invariants=True))
    return gradients


def gradients_of(objective: Callable[[Sequence[Tensor]], Tensor]) -> Gradients:
    """The gradients of a function of the parameters."""

    def gradients(parameters: Sequence[Tensor], step: int, generator: Generator) -> Sequence[Tensor | None]:
        with torch.enable_grad():
            copies = [p.detach().requires_grad_() for p in parameters]
            return torch.autograd.grad(objective(copies), copies)

    return gradients


def quadratic(parameters: Sequence[Tensor]) -> Tensor:
    """Σ k p² / 2 with curvatures k from 1 to 10: an objective for the optimizers that need a closure."""
    total = torch.zeros((), dtype=torch.float64)
    for p in parameters:
        curvature = torch.linspace(1, 10, p.numel(), dtype=torch.float64, device=p.device).view(p.shape)
        total = total + 0.5 * (curvature * p * p).sum()
    return total


@dataclass(frozen=True, eq=False)
class OptimizerCase:
    """``getattr(package, name)(parameters, **kwargs)`` and so many steps.

    ``groups`` gives several param groups: the parameters are dealt out to them in turn, and each dict holds
    the options of one group. ``objective`` is for the rules that evaluate the loss themselves: step(closure).
    """

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    parameters: Sequence[Callable[[Generator], Tensor]] = (normal(3, 4), normal(5), normal())
    groups: Sequence[dict[str, Any]] = ()
    gradients: Gradients = random_gradients
    objective: Callable[[Sequence[Tensor]], Tensor] | None = None
    steps: int = 25
    reference: Any = None  # what to compare with, where the reference package has no such name
    seed: int = 0

    def but(self, **changes: Any) -> "OptimizerCase":
        return replace(self, **changes)

    def __str__(self) -> str:
        what = [f"groups={list(self.groups)}"] if self.groups else []
        if self.gradients is not random_gradients:
            what.append(self.gradients.__name__)
        if self.objective is not None:
            what.append("closure")
        return " ".join([written(self.name, (), self.kwargs), *what])

    def __repr__(self) -> str:
        """The code that makes this case."""
        return written("optimizer_case", (self.name,), self.kwargs) + changes(self, "name", "kwargs")


def optimizer_case(name: str, **kwargs: Any) -> OptimizerCase:
    """``OptimizerCase`` with hyper-parameters as keywords; anything else through ``.but(...)``."""
    return OptimizerCase(name, kwargs)


class Run:
    """One package's optimizer on the parameters of a case, and the gradients it is fed."""

    def __init__(self, case: OptimizerCase, package: Namespace, like: Namespace | None = None) -> None:
        self.case, self.package = case, package
        generator = Generator().manual_seed(case.seed)
        self.parameters = [Parameter(placed(draw(generator))) for draw in case.parameters]
        count = len(case.groups)
        groups = [{"params": self.parameters[i::count], **g} for i, g in enumerate(case.groups)]
        target, kwargs = resolve(package, case.name), case.kwargs
        if like is not None:  # adapted from the arguments of the package for which the case was written
            kwargs = adapted(target, resolve(like, case.name), (), kwargs)[1]
        self.optimizer: Optimizer = target(groups or self.parameters, **kwargs)
        self.changed: Mismatch | None = None  # the first gradient that a step wrote into

    def step(self, number: int) -> None:
        torch.manual_seed(number)
        if self.case.objective is not None:
            self.optimizer.step(self.closure)
            return
        generator = Generator().manual_seed(1000 * self.case.seed + number)
        drawn = self.case.gradients([p.detach() for p in self.parameters], number, generator)
        gradients = [gradient if gradient is None else placed(gradient) for gradient in drawn]
        for p, gradient in zip(self.parameters, gradients, strict=True):
            p.grad = None if gradient is None else gradient.clone()
        self.optimizer.step()
        try:
            require_equal([p.grad for p in self.parameters], gradients, f"gradient after step {number}", 0.0)
        except Mismatch as mismatch:
            self.changed = self.changed or mismatch

    def closure(self) -> Any:
        assert self.case.objective is not None
        self.optimizer.zero_grad()
        loss = self.case.objective(self.parameters)
        loss.backward()
        return loss

    def values(self) -> list[Tensor]:
        return [p.detach() for p in self.parameters]

    def snapshot(self, like: "Run | None" = None) -> dict[str, Any]:
        """State and options, of these those that ``like`` has too. How the work is done (foreach, fused) is left
        out."""
        saved = self.optimizer.state_dict()
        known = (like or self).optimizer.state_dict()["param_groups"]
        groups = [
            {key: mine[key] for key in theirs if key in mine and key not in ("foreach", "fused")}
            for mine, theirs in zip(saved["param_groups"], known, strict=True)
        ]
        return {"state": saved["state"], "param_groups": groups}

    def require_values(self, other: "Run", when: str) -> float:
        """Equal parameters."""
        return require_equal(self.values(), other.values(), f"parameters {when}", TOLERANCE, floor=1e-6)

    def require_like(self, other: "Run", when: str) -> float:
        """Equal state and options."""
        return require_equal(self.snapshot(other), other.snapshot(), when, TOLERANCE, floor=1e-6)


def pair(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> tuple[Run, Run]:
    like = case.reference or reference
    return Run(case, candidate, like), Run(case, like)


@named(OPTIMIZER_CHECKS)
def steps(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """The parameters agree after every step, and the gradients are left as they were."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for number in range(case.steps):
        ours.step(number)
        theirs.step(number)
        error = max(error, ours.require_values(theirs, f"after step {number}"))
    if ours.changed and not theirs.changed:
        raise ours.changed
    return error


@named(OPTIMIZER_CHECKS)
def state(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """State and options agree before the first step and after every one."""
    ours, theirs = pair(case, candidate, reference)
    error = ours.require_like(theirs, "before the first step")
    for number in range(case.steps):
        ours.step(number)
        theirs.step(number)
        error = max(error, ours.require_like(theirs, f"after step {number}"))
    return error


@named(OPTIMIZER_CHECKS)
def state_dict(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """A state saved half-way by either loads into the other, and training goes on as if nothing had been.

    Loading casts what is in the state, such as NAdam's mu_product, to the type of the parameters: with a default of
    float64 it has this type from the start."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        ours, theirs = pair(case, candidate, reference)
        error = _moved(ours, theirs, ours=0)
        ours, theirs = pair(case, candidate, reference)
        return max(error, _moved(theirs, ours, ours=1))
    finally:
        torch.set_default_dtype(before)


def _moved(first: Run, second: Run, ours: int) -> float:
    """From the first to the second, one of which is ours."""
    error, case = 0.0, first.case
    way = f"{title(first.package)} to {title(second.package)}"
    half = case.steps // 2
    for number in range(half):
        first.step(number)
    with torch.no_grad():
        for p, trained in zip(second.parameters, first.parameters, strict=True):
            p.copy_(trained)
    saved = first.optimizer.state_dict()
    for side in (first, second):  # the first too, for what loading casts
        side.optimizer.load_state_dict(copy.deepcopy(saved))
    sides = (first, second)
    for number in range(half, case.steps):
        first.step(number)
        second.step(number)
        when = f"{way}, after step {number}"
        error = max(error, sides[ours].require_values(sides[1 - ours], when))
        error = max(error, sides[ours].require_like(sides[1 - ours], when))
    return error


@named(OPTIMIZER_CHECKS)
def copies(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """deepcopy and pickling keep the state."""
    ours, _ = pair(case, candidate, reference)
    for number in range(3):
        ours.step(number)
    saved = ours.optimizer.state_dict()
    require_equal(copy.deepcopy(ours.optimizer).state_dict(), saved, "deepcopy", 0.0)
    require_equal(pickle.loads(pickle.dumps(ours.optimizer)).state_dict(), saved, "pickle", 0.0)
    return 0.0


@named(OPTIMIZER_CHECKS)
def contract(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """Signature, defaults and repr."""
    ours, theirs = pair(case, candidate, reference)
    require_signature(type(ours.optimizer), type(theirs.optimizer), case.name)
    known = theirs.optimizer.defaults
    require_equal({k: v for k, v in ours.optimizer.defaults.items() if k in known}, known, "defaults", 0.0)
    if ours.optimizer.defaults.keys() == known.keys():
        require_equal(repr(ours.optimizer), repr(theirs.optimizer), "repr", 0.0)
    return 0.0


@named(BAD_OPTIMIZER_CHECKS)
def same_error(case: OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """The exception is of the reference's type, at construction or at the first step."""
    like = case.reference or reference
    require_same_error(lambda: Run(case, candidate, like).step(0), lambda: Run(case, like).step(0))
    return 0.0
