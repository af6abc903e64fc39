"""A planted mistake is named: what kind of wrong it is, not only that it is."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scratch.testing import OptimizerCase, case, missing_gradients, normal, optimizer_case, sparse_gradients
from scratch.testing.diagnosis import Difference, explain
from scratch.testing.suite import Result, Task, perform
from tests.scratch.testing import test_harness as planted

pytestmark = pytest.mark.usefixtures("one_thread")

X = torch.randn(4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
KINK = X * (X.abs() > 0.5)
TOKENS = torch.tensor([0, 3, 3, 1])
MASK = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(1)) < 0.5
G = torch.randn(4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
W = torch.rand(5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) + 0.5
KNOWN = {"input[0]": KINK, "mask": MASK, "upstream": G, "weight": W}


def only(where: Tensor, c: float = 2.0) -> Tensor:
    """X, with another factor at some elements."""
    return torch.where(where, c * X, X)


def at(dim: int, index: int) -> Tensor:
    return (torch.arange(X.shape[dim]) == index).view([-1 if d == dim else 1 for d in range(3)]).expand(X.shape)


TENSORS: dict[str, tuple[Tensor | None, Tensor | None, str]] = {
    "sign": (-X, X, "the wrong sign"),
    "2": (2 * X, X, "2 times too large"),
    "1/N": (X / 4, X, "divided by 4, the size of dimension 0 of input[0]"),
    "N": (60 * X, X, "multiplied by 60, the number of elements of input[0]"),
    "√N": (math.sqrt(5) * X, X, "multiplied by the root of 5, the size of dimension 2"),
    "1/√N": (X / math.sqrt(3), X, "divided by the root of 3, the size of dimension 1"),
    "ln 2": (math.log(2) * X, X, "factor ln 2"),
    "0.999": (0.999 * X, X, "wrong by the factor 0.999"),
    "transposed": (X[:3, :, :3].transpose(0, 1), X[:3, :, :3], "transposed: dimensions 1, 0, 2"),
    "transposed shape": (X.transpose(1, 2), X, "transposed: shape (4, 5, 3) for (4, 3, 5)"),
    "reversed": (X.flip(2), X, "reversed along dimension 2"),
    "a step late": (X.roll(1, 0), X, "late by 1 along dimension 0"),
    "a step early": (torch.cat([X[1:], X[:1] * 0]), X, "early by 1 along dimension 0"),
    "memory order": (X[0].t().reshape(3, 5), X[0], "order in which it lies in memory"),
    "permuted": (X[torch.tensor([2, 0, 3, 1])], X, "permuted"),
    "of another": (G, X, "it is the gradient of weight"),
    "accumulated": (X + G, X, "the gradient of weight is added to it"),
    "not reduced": (X, X.sum(0), "not reduced over dimension 0"),
    "not averaged": (X, X.mean((0, 1)), "for (5,), of which the mean"),
    "reduced": (X.sum(1), X, "reduced over dimension 1, which should stay"),
    "summed": (X.sum(1, keepdim=True).expand(X.shape), X, "summed over dimension 1"),
    "averaged": (X.mean(0, keepdim=True).expand(X.shape), X, "averaged over dimension 0"),
    "cumulated": (X.cumsum(1), X, "accumulated along dimension 1"),
    "mean for sum": (G.mean((0, 1)), G.sum((0, 1)), "divided by 12"),
    "first for sum": (G[0, 0], G.sum((0, 1)), "only the first part of upstream"),
    "at a kink": (only(KINK == 0), X, "wrong only where input[0] is 0, a kink: 2 times"),
    "where negative": (only(KINK < 0, -1), X, "wrong only where input[0] is negative: the wrong sign"),
    "beyond a bound": (only(KINK.abs() > 1.2), X, "wrong only where |input[0]| >"),
    "at the mask": (only(MASK, 0), X, "wrong only where mask is True: zero"),
    "first row": (only(at(0, 0)), X, "at the first index of dimension 0: 2 times"),
    "last step": (only(at(1, 2)), X, "at the last index of dimension 1"),
    "one element": (only(at(0, 1) & at(1, 1) & at(2, 3)), X, "at one element, [1, 1, 3]"),
    "NaN where zero": (torch.where(KINK == 0, torch.nan, X), X, "NaN where input[0] is 0"),
    "NaN": (X * torch.nan, X, "NaN everywhere"),
    "none": (None, X, "no gradient arrives"),
    "some for none": (X, None, "a gradient to a tensor that has none"),
    "zeros for none": (0 * X, None, "a gradient of zeros to a tensor that has none"),
    "zeros": (0 * X, X, "zero everywhere"),
    "float32": (X.float().double(), X, "rounded to float32"),
    "float32 inside": ((X.float() / 3).double() * 3, X, "digits of float32 inside float64"),
    "bfloat16": (X.bfloat16().double(), X, "rounded to bfloat16"),
    "conjugate": (torch.complex(X, -G), torch.complex(X, G), "conjugated"),
    "imaginary part": (torch.complex(X, 0 * G), torch.complex(X, G), "the imaginary part is lost"),
    "upstream left out": (X, X * G, "the factor upstream is missing"),
    "weight left out": (X, X * W, "the factor weight is missing"),
    "weight twice": (X * W, X, "the factor weight is one too many"),
    "|x|": (X.abs(), X, "the absolute value"),
    "bias left out": (X, X + W, "a term is missing: weight"),
    "a term": (X, X + 3 * G, "a term is missing: 3 · upstream"),
    "a mean": (X, X - X.mean(2, keepdim=True), "the same along dimension 2"),
    "a projection": (X, X - G * (G * X).mean(2, keepdim=True), "a term is missing along upstream"),
    "a mask": (torch.where(MASK, 2 * G, 0), torch.where(MASK.flip(0), 2 * G, 0), "another mask"),
    "variance": (0.9 * W + 0.075 * G[0, 0], 0.9 * W + 0.1 * G[0, 0], "biased for unbiased"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", TENSORS)
def test_tensors(mistake: str) -> None:
    actual, expected, words = TENSORS[mistake]
    assert words in explain(Difference(actual, expected, KNOWN, {"the gradient of weight": G}))


def test_rows_that_are_named_twice() -> None:
    wrong = torch.zeros(5, 3, dtype=torch.float64)
    right = wrong.index_add(0, TOKENS, X[:, :, 0])
    wrong[TOKENS] = X[:, :, 0]
    told = explain(Difference(wrong, right, {"input[0]": TOKENS}))
    assert told == "wrong only in rows that input[0] names more than once"


def test_equal_numbers_but_for_noise_have_no_name() -> None:
    """A hypothesis accounts for all of a difference or says nothing."""
    noise = X + 1e-3 * torch.randn(X.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert explain(Difference(noise, X, KNOWN)) == ""


def result_of(check: str, package: Any, subject: Any, reference: Any = "torch.nn") -> Result:
    table = planted.ALL_OPTIMIZER if isinstance(subject, OptimizerCase) else planted.ALL
    return perform(Task(subject, str(subject), check, table[check]), package, reference)


CUBE = case("functional.cube", inputs=[normal(3)]).but(reference=lambda x: x * x * x)
LAYERS: dict[str, tuple[str, Any, Any, str]] = {
    name: (check, package, planted.SQUARE, words)
    for (name, (check, package)), words in zip(
        planted.LINEAR.items(),
        (
            "gradient of input[0]: wrong by the factor 1.001",
            "gradient of input[1]: transposed",
            "gradient of input[2]: the wrong sign",
            "gradient of input[1]: wrong only at one element, [4, 4]",
            "gradient of input[0]: no gradient arrives",
            "gradient of input[0]: zero everywhere",
            "gradient of input[1]: zero is expected everywhere, not NaN",
            "the backward writes into the upstream gradient",
            "the backward writes into the input",
            "the backward writes into the output",
            "for tensors that are not contiguous (strided upstream layout)",
            "(expanded upstream gradient): 2 times too large",
            "output for tensors that are not contiguous",
            "gradient of input[1] where only some gradients are asked for: 2 times",
            "gradient of input[1] under create_graph: 2 times",
            "in a second backward: 2 times",
            "once the output is written into",
            "output is not contiguous, as the reference's is: view cannot flatten it",
            "gradient of input[1] is not contiguous, as the reference's is: view cannot flatten it",
            "torch.float32, expected torch.float64",
            "gradient of input[0] of complex numbers is wrong",
            "RuntimeError for a batch of upstream gradients",
            "cannot be called on meta tensors",
            "under checkpointing",
            "output in float32: digits are lost",
            "output in bfloat16: digits are lost",
        ),
        strict=True,
    )
} | {
    "a bias wrong without a batch": ("gradients", planted.linear_with(planted.wrong_bias_if_unbatched),
                                     planted.UNBATCHED, "gradient of input[2]: too small: divided by 2"),
    "a dropped term": ("gradients", planted.layer_norm(True), planted.LAYER_NORM, "a term is missing along output"),
    "an intermediate saved": ("second_order", planted.cube(True), CUBE, "it is only the first derivative"),
    "an intermediate saved, by differences": ("second_differences", planted.cube(True), CUBE, "the first derivative"),
    "biased variance": ("outputs", planted.package(BatchNorm1d=planted.BiasedVariance),
                        case("BatchNorm1d", 3, inputs=[normal(4, 3)]), "biased for unbiased variance"),
    "not in place": ("untouched", planted.package(ReLU=planted.NotInPlace),
                     case("ReLU", inplace=True, inputs=[normal(4, 3)]), "the input is left as it was"),
    "in place": ("untouched", planted.package(ReLU=planted.InPlace), case("ReLU", inplace=False, inputs=[normal(4, 3)]),
                 "the forward writes into the input"),
    "other random numbers": ("outputs", planted.package(Dropout=planted.OtherRandomNumbers),
                             case("Dropout", 0.5, inputs=[normal(4, 5)]), "another mask"),
}  # fmt: skip
MODULES = dict(
    zip(
        planted.MODULES,
        (
            "output: 2 times too large",
            "gradient of input[0]: no gradient arrives",
            "output under no_grad: 2 times",
            "bias=False",
            "state_dict keys: 'weight, bias, scale', expected 'weight, bias'",
            "initial weight: wrong by the factor 1.00999",
            "it draws more or fewer random numbers",
            "repr: 'Linear(5, 3)'",
            "Can't pickle local object",
            "parameters shared with the original",
            "ValueError: wrong size, expected RuntimeError",
            "accepted, expected RuntimeError",
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("mistake", LAYERS)
def test_layers(mistake: str) -> None:
    check, package, subject, words = LAYERS[mistake]
    found = result_of(check, package, subject).finding
    assert found is not None
    assert words in found.cause


@pytest.mark.parametrize("mistake", MODULES)
def test_modules(mistake: str) -> None:
    check, layer, subject = planted.MODULES[mistake]
    found = result_of(check, planted.package(Linear=layer), subject).finding
    assert found is not None
    assert MODULES[mistake] in found.cause


# ------------------------------------------------------------------------------------------------- optimizers


def with_step(base: type, before: Callable[..., None] = lambda group, p, state: None) -> type:
    """An optimizer that does something to each parameter and its state before each step."""

    class Planted(base):  # type: ignore[misc, valid-type]
        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                for p in group["params"]:
                    before(group, p, self.state[p])
            return super().step(closure)

    Planted.__name__ = base.__name__
    return Planted


class Climbs(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        before = [(p, p.detach().clone()) for group in self.param_groups for p in group["params"]]
        super().step(closure)
        with torch.no_grad():
            for p, old in before:
                p.copy_(2 * old - p)


class OneMoment(torch.optim.Adam):
    """Without one of its two bias corrections."""

    missing = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            betas = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(step=torch.tensor(0.0), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
                state["step"] += 1
                state["exp_avg"].lerp_(p.grad, 1 - betas[0])
                state["exp_avg_sq"].mul_(betas[1]).addcmul_(p.grad, p.grad, value=1 - betas[1])
                c = [1 - beta ** state["step"].item() for beta in betas]
                c[self.missing] = 1.0
                p.sub_(group["lr"] / c[0] * state["exp_avg"] / ((state["exp_avg_sq"] / c[1]).sqrt() + group["eps"]))


class OneMoment2(OneMoment):
    missing = 1


class IgnoresNesterov(torch.optim.SGD):
    def __init__(self, params: Any, lr: float = 1e-3, nesterov: bool = False, **others: Any) -> None:
        super().__init__(params, lr, **others)


class SwapsBetas(torch.optim.Adam):
    def __init__(self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), **others: Any) -> None:
        super().__init__(params, lr, betas[::-1], **others)


class Ahead(torch.optim.Adam):
    def step(self, closure: Any = None) -> None:
        if not self.state:
            for group in self.param_groups:
                for p in group["params"]:
                    moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
                    self.state[p] = {"step": torch.tensor(1.0), **moments}
        super().step(closure)


class InFloat32(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(p.float())


class NotCoalesced(torch.optim.SGD):
    """Writes the values of a sparse gradient one over the other."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                rows = p.grad._indices()[0]
                p[rows] = p[rows] - group["lr"] * p.grad._values()


def decays(group: Any, p: Tensor, state: Any) -> None:
    p.mul_(1 - group["weight_decay"])


class DecaysWithoutLr(torch.optim.AdamW):
    def __init__(self, params: Any, lr: float = 1e-3, weight_decay: float = 1e-2, **others: Any) -> None:
        super().__init__(params, lr, weight_decay=0.0, **others)
        for group in self.param_groups:
            group["weight_decay"] = 0.0
        self.decay = weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - self.decay)
        super().step(closure)


ADAM = optimizer_case("Adam", lr=0.01)
RULES: dict[str, tuple[type, OptimizerCase, str]] = {
    **{
        name: (planted.adam(name), planted.OPTIMIZERS[name][2], words)
        for name, words in {
            "no bias correction": "the bias correction is missing",
            "epsilon before the correction": "ε stands before the bias correction",
            "epsilon inside the root": "ε stands inside the root, squared",
            "writes into the gradient": "it changes the gradients",
            "wrong state key": "the state is built otherwise; besides: momentum",
            "no maximize": "the option maximize is ignored",
            "counts missing gradients": "as if its gradient were zero",
        }.items()
    },
    "coupled decay": (torch.optim.Adam, optimizer_case("AdamW", lr=0.01, weight_decay=0.1), "weight decay is coupled"),
    "decoupled decay": (torch.optim.AdamW, optimizer_case("Adam", lr=0.01, weight_decay=0.1), "is decoupled"),
    "no decay": (with_step(torch.optim.SGD, lambda group, p, state: group.update(weight_decay=0)),
                 optimizer_case("SGD", lr=0.1, weight_decay=0.1), "weight_decay is ignored"),
    "decay without lr": (DecaysWithoutLr, optimizer_case("AdamW", lr=0.01, weight_decay=0.1), "not multiplied by lr"),
    "climbs": (Climbs, optimizer_case("SGD", lr=0.1, momentum=0.9), "wrong sign"),
    "first moment": (OneMoment, ADAM, "bias correction of the first moment"),
    "second moment": (OneMoment2, ADAM, "bias correction of the second moment"),
    "no nesterov": (IgnoresNesterov, optimizer_case("SGD", lr=0.1, momentum=0.9, nesterov=True), "nesterov is ignored"),
    "betas": (SwapsBetas, optimizer_case("Adam", lr=0.01, betas=(0.8, 0.99)), "the two of betas are exchanged"),
    "counter ahead": (Ahead, ADAM, "the step counter is one ahead"),
    "float32": (InFloat32, optimizer_case("SGD", lr=0.1), "rounded to float32"),
    "sparse": (NotCoalesced, optimizer_case("SGD", lr=0.1).but(parameters=(normal(5, 2),), gradients=sparse_gradients),
               "only the last counts"),
    "missing gradients": (planted.adam("counts missing gradients"), ADAM.but(gradients=missing_gradients), "were zero"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", RULES)
def test_rules(mistake: str) -> None:
    rule, subject, words = RULES[mistake]
    package = planted.ModuleType("planted")
    setattr(package, subject.name, rule)
    check = "state" if mistake == "wrong state key" else "steps"
    found = result_of(check, package, subject, "torch.optim").finding
    assert found is not None
    assert words in found.cause


def test_what_is_lost_on_loading() -> None:
    package = planted.optimizers(planted.adam("forgets the step when loading"))
    found = result_of("state_dict", package, planted.ADAM, "torch.optim").finding
    assert found is not None
    assert found.cause == "the step counter is lost when a state is loaded"
