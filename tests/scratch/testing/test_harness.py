"""The harness is tested with mistakes planted on purpose: each is rejected, by the check that is there for it.

A planted package is torch.nn or torch.optim with one thing replaced. What is replaced by code of our own has an
honest twin, made by the same code without the mistake, which passes: it is the mistake that is rejected, not the way
it is planted.
"""

import math
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from scratch.testing import (
    BAD_ARGUMENT_CHECKS,
    BAD_OPTIMIZER_CHECKS,
    CHECKS,
    CONTRACT_CHECKS,
    NUMBER_CHECKS,
    OPTIMIZER_CHECKS,
    TRANSFORM_CHECKS,
    Case,
    Mismatch,
    OptimizerCase,
    Row,
    bad,
    case,
    compare_networks,
    integers,
    missing_gradients,
    normal,
    optimizer_case,
    require_equal_networks,
    uniform,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = CHECKS | CONTRACT_CHECKS | NUMBER_CHECKS | BAD_ARGUMENT_CHECKS | TRANSFORM_CHECKS
ALL_OPTIMIZER = OPTIMIZER_CHECKS | BAD_OPTIMIZER_CHECKS


def package(**names: Any) -> ModuleType:
    """torch.nn with some names replaced; ``functional_`` before a name puts it into functional."""
    planted, functional = ModuleType("planted"), ModuleType("planted.functional")
    for module, native in ((planted, nn), (functional, F)):
        module.__dict__.update({name: value for name, value in vars(native).items() if not name.startswith("__")})
    for name, value in names.items():
        home = functional if name.startswith("functional_") else planted
        setattr(home, name.removeprefix("functional_"), value)
    planted.functional = functional
    return planted


def function(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """An autograd function from forward(*inputs) -> output and backward(ctx, grad) with ctx.saved_tensors the
    inputs and the output."""

    class Planted(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            output = forward(*inputs)
            ctx.save_for_backward(*inputs, output)
            return output

    Planted.backward = staticmethod(backward)
    return Planted.apply


# ---------------------------------------------------------------------------------------------- a linear map


def linear_gradients(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight, _, _ = ctx.saved_tensors
    g2, x2 = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
    return g @ weight, g2.t() @ x2, g2.sum(0)


def linear_with(backward: Callable[..., Any], forward: Callable[..., Tensor] = F.linear) -> ModuleType:
    """A package whose functional.linear has this backward."""
    apply = function(forward, backward)
    return package(functional_linear=lambda input, weight, bias=None: apply(input, weight, bias))


def scaled(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x * 1.001, weight, bias


def transposed(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight.t(), bias


def flipped(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight, -bias


def one_element_off(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    off = torch.zeros_like(weight)
    off[-1, -1] = 1e-9
    return x, weight + off, bias


def detached(ctx: Any, g: Tensor) -> Any:
    return (None, *linear_gradients(ctx, g)[1:])


def zeroed_instead_of_none(ctx: Any, g: Tensor) -> Any:
    return tuple(map(torch.zeros_like, linear_gradients(ctx, g)))


def wrong_bias_if_unbatched(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight, bias / (2 if g.dim() == 1 else 1)


def writes_upstream(ctx: Any, g: Tensor) -> Any:
    gradients = linear_gradients(ctx, g.clone())
    if not torch.is_grad_enabled() and not g._is_zerotensor() and all(g.stride()):
        g.mul_(2)
    return gradients


def writes_input(ctx: Any, g: Tensor) -> Any:
    gradients = linear_gradients(ctx, g)
    with torch.no_grad():
        ctx.saved_tensors[0].data.mul_(2)
    return gradients


def writes_output(ctx: Any, g: Tensor) -> Any:
    gradients = linear_gradients(ctx, g)
    with torch.no_grad():
        ctx.saved_tensors[3].data.zero_()
    return gradients


def contiguous_only(ctx: Any, g: Tensor) -> Any:
    """Reads the upstream gradient as if it lay in memory row by row."""
    strides = torch.empty(g.shape, device="meta").stride()
    return linear_gradients(ctx, torch.as_strided(g, g.shape, strides) if all(g.stride()) else g)


def breaks_when_expanded(ctx: Any, g: Tensor) -> Any:
    return tuple(t * (1 if all(g.stride()) else 2) for t in linear_gradients(ctx, g))


def nan_at_zero(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight * (g.sum() / g.sum()), bias


def loses_weight_without_input(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight if ctx.needs_input_grad[0] else 2 * weight, bias


def wrong_when_recorded(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight * (2 if torch.is_grad_enabled() else 1), bias


def right_once(ctx: Any, g: Tensor) -> Any:
    again, ctx.again = getattr(ctx, "again", False), True
    return tuple(t * (2 if again else 1) for t in linear_gradients(ctx, g))


def reads_memory_row_by_row(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(torch.as_strided(x, x.shape, torch.empty(x.shape, device="meta").stride()), weight, bias)


def half_precision(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias).to(torch.float32)


def accumulated_in_bfloat16(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if x.dtype is torch.float64:
        return F.linear(x, weight, bias)
    total = bias.clone().expand(*x.shape[:-1], -1)
    for i in range(x.shape[-1]):
        total = total + (x[..., i : i + 1] * weight[:, i] + 8) - 8
    return total


def as_a_view(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias)[:]


def loose_in_float32(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y = F.linear(x, weight, bias)
    return (y + 1e4) - 1e4 if x.dtype is torch.float32 else y


def looks_at_numbers(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias) if x.sum() < 1e9 else x


def column_by_column(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias).mT.contiguous().mT


def gradient_column_by_column(ctx: Any, g: Tensor) -> Any:
    x, weight, bias = linear_gradients(ctx, g)
    return x, weight.mT.contiguous().mT, bias


def written_elsewhere(ctx: Any, g: Tensor) -> Any:
    x, weight, _ = linear_gradients(ctx, g)
    return x, weight, torch.sum(g, 0, out=g.new_empty(g.shape[1]))


def reads_twice(ctx: Any, g: Tensor) -> Any:
    _ = ctx.saved_tensors
    return linear_gradients(ctx, g)


SQUARE = case("functional.linear", inputs=[normal(4, 5), normal(5, 5), normal(5)])
UNBATCHED = case("functional.linear", inputs=[normal(5), normal(3, 5), normal(3)])

LINEAR: dict[str, tuple[str, ModuleType]] = {
    "a gradient 0.1 % off": ("gradients", linear_with(scaled)),
    "a transposed gradient": ("gradients", linear_with(transposed)),
    "a flipped sign": ("gradients", linear_with(flipped)),
    "one element off by 1e-9": ("gradients", linear_with(one_element_off)),
    "a detached input": ("gradients", linear_with(detached)),
    "gradients of zero": ("gradients", linear_with(zeroed_instead_of_none)),
    "NaN for a zero upstream gradient": ("gradients", linear_with(nan_at_zero)),
    "a backward that writes into the upstream gradient": ("untouched", linear_with(writes_upstream)),
    "a backward that writes into an input": ("untouched", linear_with(writes_input)),
    "a backward that writes into the output": ("untouched", linear_with(writes_output)),
    "an upstream gradient taken for contiguous": ("layouts", linear_with(contiguous_only)),
    "an expanded upstream gradient mishandled": ("layouts", linear_with(breaks_when_expanded)),
    "an input taken for contiguous": ("layouts", linear_with(linear_gradients, reads_memory_row_by_row)),
    "a gradient lost where another is not wanted": ("subsets", linear_with(loses_weight_without_input)),
    "a recorded backward that differs": ("second_order", linear_with(wrong_when_recorded)),
    "a second backward that differs": ("twice", linear_with(right_once)),
    "an output that nobody may write into": ("overwritten", linear_with(linear_gradients, as_a_view)),
    "an output in another order": ("views", linear_with(linear_gradients, column_by_column)),
    "a gradient in another order": ("views", linear_with(gradient_column_by_column)),
    "the wrong dtype": ("outputs", linear_with(linear_gradients, half_precision)),
    "a conjugate left out": ("complex_numbers", linear_with(linear_gradients)),
    "a batch of upstream gradients refused": ("batched_gradients", linear_with(written_elsewhere)),
    "numbers looked at that there are not": ("shapes_alone", linear_with(linear_gradients, looks_at_numbers)),
    "saved tensors read twice": ("checkpointed", linear_with(reads_twice)),
    "digits lost in float32": ("float32", linear_with(linear_gradients, loose_in_float32)),
    "digits lost in bfloat16": ("bfloat16", linear_with(linear_gradients, accumulated_in_bfloat16)),
}


def check(subject: Case, candidate: Any, reference: str) -> dict[str, float | None]:
    return {name: run(subject, candidate, reference) for name, run in (CHECKS | CONTRACT_CHECKS).items()}


def rejected(name: str, planted: ModuleType, subject: Any, reference: Any = "torch.nn") -> str:
    """The message with which the named check rejects a package."""
    table = ALL_OPTIMIZER if isinstance(subject, OptimizerCase) else ALL
    with pytest.raises(Mismatch, match=f": {name}: ") as caught:
        table[name](subject, planted, reference)
    return str(caught.value)


def test_torch_against_itself_passes() -> None:
    for subject in (SQUARE, UNBATCHED, LAYER_NORM, case("LSTM", 3, 2, inputs=[normal(4, 2, 3)])):
        assert check(subject, "torch.nn", "torch.nn")
    assert check(SQUARE, linear_with(linear_gradients), "torch.nn").keys() == (CHECKS | CONTRACT_CHECKS).keys()


@pytest.mark.parametrize("mistake", LINEAR)
def test_linear(mistake: str) -> None:
    name, planted = LINEAR[mistake]
    rejected(name, planted, SQUARE)


def test_a_bias_gradient_wrong_only_without_a_batch() -> None:
    planted = linear_with(wrong_bias_if_unbatched)
    check(SQUARE, planted, "torch.nn")
    assert "input[2]" in rejected("gradients", planted, UNBATCHED)


@pytest.mark.parametrize("rows", [4, 20])  # element by element; along random directions
def test_a_mistake_that_the_reference_shares_is_found_by_finite_differences(rows: int) -> None:
    planted = linear_with(scaled)
    subject = case("functional.linear", inputs=[normal(rows, 5), normal(5, 5), normal(5)])
    CHECKS["gradients"](subject, planted, planted)
    rejected("finite_differences", planted, subject, reference=planted)


# ------------------------------------------------------------------------------------- normalisation and others


def layer_norm(dropped_term: bool) -> ModuleType:
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x, _ = ctx.saved_tensors
        centred = x - x.mean(-1, keepdim=True)
        inverse = (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normal = centred * inverse
        grad = g - g.mean(-1, keepdim=True)
        return inverse * (grad if dropped_term else grad - normal * (g * normal).mean(-1, keepdim=True))

    apply = function(lambda x: F.layer_norm(x, x.shape[-1:]), backward)
    return package(functional_layer_norm=lambda x, shape: apply(x))


LAYER_NORM = case("functional.layer_norm", (5,), inputs=[normal(4, 5)])


def test_a_gradient_that_is_right_for_ones_only() -> None:
    """Under an upstream gradient of ones every term of this backward is zero, with and without the mistake."""
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for dropped in (False, True):
        y = layer_norm(dropped).functional.layer_norm(x, (5,))
        torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.zeros_like(x))
    numbers = {k: v for k, v in CHECKS.items() if k != "warnings"}
    for compare in numbers.values():
        compare(LAYER_NORM, layer_norm(dropped_term=False), "torch.nn")
    rejected("gradients", layer_norm(dropped_term=True), LAYER_NORM)


def cube(saved_as_plain_tensor: bool) -> ModuleType:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            ctx.square = x * x
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 3 * g * (ctx.square if saved_as_plain_tensor else x * x)

    return package(functional_cube=Cube.apply)


def test_an_intermediate_saved_as_a_plain_tensor() -> None:
    subject = case("functional.cube", inputs=[normal(3)]).but(reference=lambda x: x * x * x)
    for compare in CHECKS.values():
        compare(subject, cube(saved_as_plain_tensor=False), "torch.nn")
    first_order = {k: v for k, v in CHECKS.items() if not k.startswith("second")}
    for compare in first_order.values():
        compare(subject, cube(saved_as_plain_tensor=True), "torch.nn")
    rejected("second_order", cube(saved_as_plain_tensor=True), subject)
    rejected("second_differences", cube(saved_as_plain_tensor=True), subject)


def test_a_second_output_left_out_of_the_gradient() -> None:
    class Split(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return 2 * x, 3 * x

        @staticmethod
        def backward(ctx: Any, g: Tensor | None, h: Tensor | None) -> Tensor:
            if h is None:
                return torch.zeros_like(g)  # 2 g is forgotten
            return 3 * h if g is None else 2 * g + 3 * h

    subject = case("functional.split", inputs=[normal(3)]).but(reference=lambda x: (2 * x, 3 * x))
    planted = package(functional_split=Split.apply)
    ALL["gradients"](subject, planted, "torch.nn")
    assert "output[0] alone" in rejected("subsets", planted, subject)


def distance_of_whole_numbers(a: Tensor, b: Tensor) -> Tensor:
    return F.pairwise_distance(a, b).to(a.dtype)


def classes_in_one_type(x: Tensor, target: Tensor) -> Tensor:
    assert target.dtype is torch.int64
    return F.cross_entropy(x, target)


def normal_unless_empty(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return F.layer_norm(x - 0 * x.amax(), shape)


def mish_in_pieces(x: Tensor) -> Tensor:
    return x * (x.clamp(min=0) + (-x.abs()).exp().log1p()).tanh()


OTHER_NUMBERS: dict[str, tuple[str, Callable[..., Tensor], Case]] = {
    "a ratio kept in the type of whole numbers": (
        "whole_numbers",
        distance_of_whole_numbers,
        case("functional.pairwise_distance", inputs=[normal(4, 3), normal(4, 3)]),
    ),
    "bytes refused as classes": (
        "other_integers",
        classes_in_one_type,
        case("functional.cross_entropy", inputs=[normal(4, 3), integers(3, 4)]),
    ),
    "an empty batch refused": ("nothing", normal_unless_empty, LAYER_NORM),
    "a smooth function in pieces": ("at_kinks", mish_in_pieces, case("functional.mish", inputs=[normal(3)])),
}


@pytest.mark.parametrize("mistake", OTHER_NUMBERS)
def test_other_numbers(mistake: str) -> None:
    name, function, subject = OTHER_NUMBERS[mistake]
    planted = package(**{subject.name.replace(".", "_"): function})
    CHECKS["gradients"](subject, planted, "torch.nn")
    rejected(name, planted, subject)


# --------------------------------------------------------------------------------------------------- Modules


class WrongInEval(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (1 if self.training else 2)


class WrongGradientInEval(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.training else input.detach())


class WrongWithoutRecording(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (1 if torch.is_grad_enabled() else 2)


class WrongDefault(nn.Linear):
    def __init__(self, in_features: int, out_features: int, bias: bool = False, device=None, dtype=None) -> None:
        super().__init__(in_features, out_features, True, device, dtype)


class WrongKey(nn.Linear):
    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.register_buffer("scale", torch.ones(()))


class WrongScale(nn.Linear):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        with torch.no_grad():
            self.weight.mul_(1.01)


class DrawsMore(nn.Linear):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        torch.rand(1)


class WrongRepr(nn.Linear):
    def _get_name(self) -> str:
        return "Linear"

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}"


class HoldsALambda(nn.Linear):
    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.scale = lambda y: y

    def forward(self, input: Tensor) -> Tensor:
        return self.scale(super().forward(input))


class CopiesNothing(nn.Linear):
    def __deepcopy__(self, memo: Any) -> "CopiesNothing":
        return self


class WrongException(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-1] != self.in_features:
            raise ValueError("wrong size")
        return super().forward(input)


class RefusesNothing(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[..., : self.in_features])


LAYER = case("Linear", 5, 3, inputs=[normal(4, 5)])
WRONG_SIZE = bad("Linear", 5, 3, inputs=[normal(4, 6)])

MODULES: dict[str, tuple[str, type, Case]] = {
    "an output wrong in eval mode": ("outputs", WrongInEval, LAYER),
    "a gradient wrong in eval mode": ("gradients", WrongGradientInEval, LAYER),
    "an output wrong under no_grad": ("outputs", WrongWithoutRecording, LAYER),
    "a wrong default": ("signature", WrongDefault, LAYER),
    "a wrong key": ("state_dict", WrongKey, LAYER),
    "a wrong initial scale": ("initialisation", WrongScale, LAYER),
    "more random numbers drawn": ("initialisation", DrawsMore, LAYER),
    "a wrong repr": ("representation", WrongRepr, LAYER),
    "what cannot be pickled": ("copies", HoldsALambda, LAYER),
    "a copy that shares": ("copies", CopiesNothing, LAYER),
    "a wrong exception": ("same_error", WrongException, WRONG_SIZE),
    "a missing exception": ("same_error", RefusesNothing, WRONG_SIZE),
}


@pytest.mark.parametrize("mistake", MODULES)
def test_modules(mistake: str) -> None:
    name, layer, subject = MODULES[mistake]
    rejected(name, package(Linear=layer), subject)


class BiasedVariance(nn.BatchNorm1d):
    """Keeps the variance that it divides by, where torch keeps the unbiased one."""

    def forward(self, input: Tensor) -> Tensor:
        before = self.running_var.clone()
        output = super().forward(input)
        if self.training:
            with torch.no_grad():
                self.running_var.copy_(0.9 * before + 0.1 * input.var(0, unbiased=False))
        return output


def test_a_wrong_running_variance() -> None:
    assert "running_var" in rejected(
        "outputs", package(BatchNorm1d=BiasedVariance), case("BatchNorm1d", 3, inputs=[normal(4, 3)])
    )


class NotInPlace(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class InPlace(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.relu_(input)


@pytest.mark.parametrize(("layer", "inplace"), [(NotInPlace, True), (InPlace, False)])
def test_an_input_is_written_where_the_reference_writes_it(layer: type, inplace: bool) -> None:
    rejected("untouched", package(ReLU=layer), case("ReLU", inplace=inplace, inputs=[normal(4, 3)]))


class OtherRandomNumbers(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        torch.rand(1)
        return super().forward(input)


def test_other_random_numbers() -> None:
    subject, planted = case("Dropout", 0.5, inputs=[normal(4, 5)]), package(Dropout=OtherRandomNumbers)
    rejected("outputs", planted, subject)
    for compare in CHECKS.values():
        compare(subject.but(same_random=False), planted, "torch.nn")


def test_warnings() -> None:
    def silent(*args: Any) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return F.mse_loss(*args)

    subject = case("functional.mse_loss", inputs=[normal(4, 3), normal(3)])
    rejected("warnings", package(functional_mse_loss=silent), subject)


def test_a_message_says_what_where_and_how_to_rerun() -> None:
    message = rejected("gradients", linear_with(one_element_off), SQUARE)
    assert "planted.functional.linear()" in message
    assert "gradient['input[1]']: relative error" in message
    assert "> 1e-10" in message
    assert "worst at [4, 4]: " in message
    assert ", expected " in message
    assert "case('functional.linear', inputs=[normal(4, 5), normal(5, 5), normal(5)])" in message


# ------------------------------------------------------------------------------------------------- optimizers


def adam(mistake: str = "") -> type:
    """Adam as a formula, with or without a mistake."""

    class Adam(torch.optim.Adam):
        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            with torch.enable_grad():
                loss = closure and closure()
            for group in self.param_groups:
                beta1, beta2 = group["betas"]
                for p in group["params"]:
                    if p.grad is None and mistake != "counts missing gradients":
                        continue
                    grad = torch.zeros_like(p) if p.grad is None else p.grad
                    if group["maximize"] and mistake != "no maximize":
                        grad = -grad
                    if mistake == "writes into the gradient":
                        grad = grad.mul_(2).div(2)
                    state = self.state[p]
                    if not state:
                        state["step"] = torch.tensor(0.0)
                        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                    state["step"] += 1
                    t, m, v = state["step"].item(), state["exp_avg"], state["exp_avg_sq"]
                    m.mul_(beta1).add_(grad, alpha=1 - beta1)
                    v.mul_(beta2).add_(grad * grad, alpha=1 - beta2)
                    correction1, correction2 = 1 - beta1**t, 1 - beta2**t
                    if mistake == "no bias correction":
                        correction1 = correction2 = 1.0
                    if mistake == "epsilon before the correction":
                        root = (v.sqrt() + group["eps"]) / math.sqrt(correction2)
                    elif mistake == "epsilon inside the root":
                        root = (v / correction2 + group["eps"] ** 2).sqrt()
                    else:
                        root = (v / correction2).sqrt() + group["eps"]
                    p.sub_(group["lr"] / correction1 * m / root)
                    if mistake == "wrong state key":
                        state["momentum"] = state["exp_avg"]
            return loss

        def load_state_dict(self, state_dict: Any) -> None:
            super().load_state_dict(state_dict)
            if mistake == "forgets the step when loading":
                for state in self.state.values():
                    state["step"].zero_()

    return Adam


class WrongBetas(torch.optim.Adam):
    def __init__(self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.99), **others: Any) -> None:
        super().__init__(params, lr, betas, **others)


class AcceptsAnything(torch.optim.Adam):
    def __init__(self, params: Any, lr: float = 1e-3, **others: Any) -> None:
        super().__init__(params, abs(lr), **others)


ADAM = optimizer_case("Adam", lr=0.01, eps=1e-3)
OPTIMIZERS: dict[str, tuple[str, type, OptimizerCase]] = {
    mistake: (name, adam(mistake), subject)
    for mistake, name, subject in (
        ("no bias correction", "steps", ADAM),
        ("epsilon before the correction", "steps", ADAM),
        ("epsilon inside the root", "steps", ADAM),
        ("writes into the gradient", "steps", ADAM),
        ("wrong state key", "state", ADAM),
        ("no maximize", "steps", ADAM.but(kwargs={"maximize": True})),
        ("counts missing gradients", "steps", ADAM.but(gradients=missing_gradients)),
        ("forgets the step when loading", "state_dict", ADAM),
    )
} | {
    "a wrong default": ("contract", WrongBetas, ADAM),
    "a missing exception": ("same_error", AcceptsAnything, ADAM.but(kwargs={"lr": -1.0})),
}


def optimizers(adam: type) -> ModuleType:
    planted = ModuleType("planted")
    planted.Adam = adam
    return planted


@pytest.mark.parametrize("subject", [ADAM, ADAM.but(kwargs={"maximize": True}), ADAM.but(gradients=missing_gradients)])
def test_an_honest_optimizer_passes(subject: OptimizerCase) -> None:
    for name in ("steps", "state_dict", "contract"):
        OPTIMIZER_CHECKS[name](subject, optimizers(adam()), "torch.optim")


@pytest.mark.parametrize("mistake", OPTIMIZERS)
def test_optimizers(mistake: str) -> None:
    name, planted, subject = OPTIMIZERS[mistake]
    rejected(name, optimizers(planted), subject, "torch.optim")


# --------------------------------------------------------------------------------------------- whole networks


def network(nonlinearity: type = nn.Tanh) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nonlinearity(), nn.BatchNorm1d(5), nn.Linear(5, 2))


class SlightlyOff(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (1 + 1e-8)


class WrongGradient(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return y + 1e-3 * (y - y.detach())


def compared(ours: nn.Module, adam: type = torch.optim.Adam) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(6, 4, generator=generator) for _ in range(3)]
    makers = [lambda net, rule=rule: rule(net.parameters()) for rule in (adam, torch.optim.Adam)]
    return compare_networks(ours, network(), lambda net, x: net(x).square().sum(), batches, makers, steps=5)


def different(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.kind, row.name) for row in rows if not row.equal]


def test_equal_networks() -> None:
    rows = compared(network(), adam())
    assert different(rows) == []
    names = {(row.kind, row.name) for row in rows}
    assert names >= {
        ("forward", "0"),
        ("forward", "3"),
        ("gradient", "0.weight"),
        ("loss", "loss"),
        ("parameter", "3.bias"),
        ("buffer", "2.running_var"),
        ("state", "0.weight: exp_avg_sq"),
    }


def test_a_layer_that_differs_is_the_first_in_the_table() -> None:
    assert different(compared(network(SlightlyOff)))[0] == ("forward", "1")


def test_a_gradient_that_differs_shows_below_the_layer_only() -> None:
    found = different(compared(network(WrongGradient)))
    assert found[:2] == [("gradient", "0.weight"), ("gradient", "0.bias")]
    assert ("gradient", "3.weight") not in found


def test_an_optimizer_that_differs_shows_in_the_training_only() -> None:
    found = compared(network(), adam("no bias correction"))
    assert {row.kind for row in found if not row.equal} >= {"parameter", "loss"}
    assert all(row.equal for row in found if row.kind in ("forward", "gradient"))


def test_the_networks_themselves_stay_as_they_are() -> None:
    ours = network().eval()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    compared(ours)
    assert not ours.training
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    with pytest.raises(Mismatch, match="forward: 1: relative error"):
        require_equal_networks(network(SlightlyOff), network(), lambda net, x: net(x).sum(), [torch.ones(3, 4)])


# ------------------------------------------------------------------------------------------- transformations


def sine(batched: float) -> ModuleType:
    """A package with a sine of its own, which under vmap is ``batched`` times as large."""

    class Sine(Function):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x.sin()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * ctx.saved_tensors[0].cos()

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:
            return batched * Sine.apply(x), in_dims[0]

    return package(functional_sine=Sine.apply)


class WrongWhenCompiled(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (2 if torch.compiler.is_compiling() else 1)


class NotOneGraph(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if input.sum().item() else input


class NotOneGraphWithoutGradients(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if torch.is_grad_enabled() or input.sum().item() else input


class WideUnderAutocast(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).to(self.weight.dtype)


def test_wrong_under_vmap() -> None:
    subject = case("functional.sine", inputs=[normal(3)]).but(reference=torch.sin)
    assert ALL["vmapped"](subject, sine(batched=1.0), "torch.nn") is not None
    rejected("vmapped", sine(batched=1.001), subject)
    rejected("vmapped", cube(saved_as_plain_tensor=False), subject.but(name="functional.cube"))  # no rule at all


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("compiled", WrongWhenCompiled),
        ("compiled", NotOneGraph),
        ("compiled", NotOneGraphWithoutGradients),
        ("autocast", WideUnderAutocast),
    ],
)
def test_wrong_when_transformed(name: str, planted: type[nn.Module]) -> None:
    subject = case("Linear", 5, 3, inputs=[normal(4, 5)])
    assert ALL[name](subject, "torch.nn", "torch.nn") is not None
    rejected(name, package(Linear=planted), subject)


class PlainTanh(nn.Module):
    """A Function as torch's manual has it: torch switches forward mode off in its jvp, so that the tangent of the
    tangent is 0."""

    class Fn(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x.tanh()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
            ctx.save_for_backward(output)
            ctx.save_for_forward(output)

        @staticmethod
        def backward(ctx: Any, y_bar: Tensor) -> Tensor:
            return y_bar * (1 - ctx.saved_tensors[0] ** 2)

        @staticmethod
        def jvp(ctx: Any, x_dot: Tensor) -> Tensor:
            return x_dot * (1 - ctx.saved_tensors[0] ** 2)

    def forward(self, input: Tensor) -> Tensor:
        return self.Fn.apply(input)


def test_a_wrong_tangent_of_the_tangent() -> None:
    subject = case("Tanh", inputs=[normal(3)])
    assert ALL["second_tangents"](subject, "torch.nn", "torch.nn") is not None
    assert ALL["tangents"](subject, package(Tanh=PlainTanh), "torch.nn") is not None
    assert "the tangent is 0: torch has forward mode off" in rejected(
        "second_tangents", package(Tanh=PlainTanh), subject
    )


class WrongInABatchOfDuals(nn.Module):
    """Its tangent is another under the older vmap."""

    class Fn(PlainTanh.Fn):
        @staticmethod
        def jvp(ctx: Any, x_dot: Tensor) -> Tensor:
            wrong = 1.001 if torch._C._functorch.is_legacy_batchedtensor(x_dot) else 1.0
            return wrong * x_dot * (1 - ctx.saved_tensors[0] ** 2)

    def forward(self, input: Tensor) -> Tensor:
        return self.Fn.apply(input)


def test_a_wrong_tangent_in_a_batch_of_dual_numbers() -> None:
    planted = package(Tanh=WrongInABatchOfDuals)
    assert "a batch of dual numbers" in rejected("tangents", planted, case("Tanh", inputs=[normal(3)]))


def test_a_tangent_of_the_tangent_that_torch_has_wrong() -> None:
    """It may be torch's, or right, but nothing else."""
    assert ALL["second_tangents"](LAYER_NORM, "torch.nn", "torch.nn") is not None
    assert ALL["second_tangents"](LAYER_NORM, "scratch.nn", "torch.nn") is not None

    def layer_norm(input: Tensor, *options: Any) -> Tensor:
        return F.layer_norm(input, *options) + PlainTanh.Fn.apply(input) - input.tanh()

    assert "tangent of the tangent" in rejected(
        "second_tangents", package(functional_layer_norm=layer_norm), LAYER_NORM
    )


def floored(rate: float) -> type[nn.Module]:
    """torch's GaussianNLLLoss, whose gradient by a variance below ε is that at ε, with this much of it in forward mode,
    where torch has none."""

    class Floor(Function):
        @staticmethod
        def forward(v: Tensor, eps: float) -> Tensor:
            return v.clamp_min(eps)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_forward(inputs[0])
            ctx.eps = inputs[1]

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return g, None

        @staticmethod
        def jvp(ctx: Any, v_dot: Tensor, _: None) -> Tensor:
            (v,) = ctx.saved_tensors
            return torch.where(v < ctx.eps, rate * v_dot, v_dot)

        @staticmethod
        def vmap(info: Any, in_dims: Any, v: Tensor, eps: float) -> Any:
            return Floor.apply(v, eps), in_dims[0]

    class Floored(nn.GaussianNLLLoss):
        def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
            v = Floor.apply(var, self.eps)
            return 0.5 * (v.log() + (input - target) ** 2 / v).mean()

    return Floored


def test_a_tangent_where_the_references_contradicts_its_gradient() -> None:
    """It may be torch's, or the transpose of the gradient, but nothing else."""
    subject = case("GaussianNLLLoss", eps=1.0, inputs=[normal(7), normal(7), uniform(7)])
    assert ALL["tangents"](subject, "torch.nn", "torch.nn") is not None
    assert ALL["tangents"](subject, package(GaussianNLLLoss=floored(1.0)), "torch.nn") is not None
    assert "tangent" in rejected("tangents", package(GaussianNLLLoss=floored(0.5)), subject)
