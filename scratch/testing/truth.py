"""Which of two is right: finite differences in float64 and sixty digits decide, not authority.

    settle("gradients", case, "their.package", "torch.nn")  # … give -0.2831853: the reference is wrong

A gradient is held against finite differences of the output, a second derivative against those of the first, and
whatever has a formula in FORMULAS against this formula in `mpmath`'s arithmetic. Nothing is decided at a kink.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mpmath import mp, mpf
from torch import Generator, Tensor

from scratch.testing.calls import Case
from scratch.testing.compare import errors, leaves, mapped
from scratch.testing.layers import TOLERANCE, Combination, modes
from scratch.testing.packages import Namespace, resolve
from scratch.testing.running import LAYOUTS, Layer, differentiable_leaves, pair, random, run, sparse

DIGITS = 60
FIRST_STEP = 0.02  # of the finite differences, for numbers around 1
WHO = {(True, False): "candidate", (False, True): "reference", (False, False): "neither", (True, True): ""}
ENOUGH = 30  # times its uncertainty: from here on a number is another one


@dataclass(frozen=True)
class Verdict:
    """What is right at one place, how it is known, and who has it."""

    right: str  # "candidate", "reference", "neither", or "" where it could not be decided
    text: str

    def __str__(self) -> str:
        ends = {
            "candidate": "the candidate is right, the reference is wrong",
            "reference": "the candidate is wrong",
            "neither": "both are wrong",
            "": "undecided",
        }
        return f"{self.text}: {ends[self.right]}"


def judged(value: float, uncertainty: float, scale: float, numbers: Sequence[float], how: str) -> Verdict:
    """Who of the two has the value, which is known up to an uncertainty. ``scale`` is that of the numbers around."""
    if not math.isfinite(value) or not uncertainty < 1e-6 * max(scale, abs(value)):
        return Verdict("", f"{how} do not settle: there is a kink, or it is no number")
    allowed = max(ENOUGH * uncertainty, TOLERANCE * max(scale, 1e-3))
    right = [abs(x - value) <= allowed for x in numbers]  # NaN is not
    return Verdict(
        WHO[right[0], right[1]], f"{how} give {value:.15g}" + (f" ± {uncertainty:.0e}" if uncertainty else "")
    )


def settle(check: str, case: Case, candidate: Namespace, reference: Namespace) -> Verdict | None:
    """Decide the worst difference that a check sees; None where this check has nothing to decide."""
    decide = DECIDES.get(check)
    if decide is None:
        return None
    with torch.random.fork_rng(devices=[]):
        try:
            return decide(*pair(case, candidate, reference))
        except Exception:  # what cannot be run cannot be decided either
            return None


def of_outputs(ours: Layer, theirs: Layer) -> Verdict | None:
    for train in modes(ours.case):
        sides = [dict(leaves(run(side, train=train, upstream=None).output, "output")) for side in (ours, theirs)]
        place = worst(sides[0], sides[1])
        if place and (exact := formula(theirs)):
            name, index = place
            inputs, options = exact
            value = value_of(theirs.case, inputs, options)
            numbers = [side[name][index].item() for side in sides]
            scale = sides[1][name].abs().nan_to_num(posinf=0).max().item()
            return judged(float(value[index]), 0.0, scale, numbers, f"{DIGITS} digits")
    return None


def of_gradients(ours: Layer, theirs: Layer) -> Verdict | None:
    """By finite differences of the reference's output, which the candidate agrees with; where there is a formula, by
    that."""
    for train in modes(ours.case):
        for upstream in (random, sparse):
            sides: list[Any] = [run(side, train=train, upstream=upstream).gradient for side in (ours, theirs)]
            place = worst(sides[0], sides[1])
            if place:
                name, index = place
                numbers = [side[name][index].item() for side in sides]
                scale = sides[1][name].abs().nan_to_num(posinf=0).max().item()
                try:
                    verdict = by_digits(theirs, name, index, upstream, scale, numbers)
                except (ArithmeticError, AttributeError, TypeError, ValueError):  # the formula is for other options
                    verdict = None
                return verdict or by_differences(theirs, train, name, index, upstream, scale, numbers)
    return None


def by_element(layer: Layer, order: str) -> Iterator[tuple[bool, dict[str, Tensor], dict[str, Tensor]]]:
    """For each mode the derivatives of the first or second order that a layer computes, and finite differences."""
    for train in modes(layer.case):
        if order == "first":
            actual = {name: t for name, t in run(layer, train=train).gradient.items() if t is not None}
            function, tensors = objective(layer, train, random)
        else:
            combination = Combination(layer, train)
            actual, function, tensors = combination.derivatives(), combination.number, combination.wanted
        expected = {}
        for name in actual:
            slopes = torch.zeros_like(tensors[name])
            for place in range(slopes.numel()):
                index = tuple(int(i) for i in torch.unravel_index(torch.tensor(place), slopes.shape))
                slopes[index] = slope(function, tensors[name].detach(), index)[0]
            expected[name] = slopes.detach()
        yield train, actual, expected


def objective(layer: Layer, train: bool, upstream: Any) -> tuple[Callable[[], float], dict[str, Tensor]]:
    """What a backward differentiates: the outputs times the upstream gradient; and the tensors it depends on."""
    inputs, tensors = layer.draw()

    def function() -> float:
        outputs = differentiable_leaves(layer(*mapped(Tensor.clone, inputs), train=train, again=True))
        generator = Generator().manual_seed(layer.case.seed + 3)
        return sum((y.detach() * upstream(y, generator)).sum().item() for y in outputs.values())

    return function, tensors


def by_differences(
    layer: Layer, train: bool, name: str, index: Any, upstream: Any, scale: float, numbers: list[float]
) -> Verdict:
    function, tensors = objective(layer, train, upstream)
    value, uncertainty = slope(function, tensors[name].detach(), index)
    return judged(value, uncertainty, scale, numbers, "finite differences of the output")


def by_digits(layer: Layer, name: str, index: Any, upstream: Any, scale: float, numbers: list[float]) -> Verdict | None:
    exact = formula(layer)
    if exact is None:
        return None
    inputs, options = exact
    varied = inputs[int(name[6:-1])] if name.startswith("input[") and name[6:-1].isdigit() else options.get(name)
    if varied is None:
        return None
    outputs = run(layer, upstream=None).output
    if not isinstance(outputs, Tensor):
        return None
    weights = many(upstream(outputs, Generator().manual_seed(layer.case.seed + 3)))
    at, step = varied[index], mpf(10) ** (-DIGITS // 3)
    found = []
    for value in (at - step, at, at + step):
        varied[index] = value
        found.append((value_of(layer.case, inputs, options) * weights).sum())
    varied[index] = at
    left, right = (found[1] - found[0]) / step, (found[2] - found[1]) / step
    if abs(left - right) > mpf(10) ** -12 * (1 + abs(left)):
        return Verdict("", f"{DIGITS} digits: there is a kink")
    return judged(float((left + right) / 2), 0.0, scale, numbers, f"{DIGITS} digits")


def of_layouts(ours: Layer, theirs: Layer) -> Verdict | None:
    """How numbers lie in memory changes nothing: who then says something else is wrong."""
    straight = [run(side) for side in (ours, theirs)]
    for name, layout in list(LAYOUTS.items())[1:]:
        for what in ("layout", "upstream_layout"):
            options: dict[str, Any] = {what: layout}
            for part in ("output", "gradient"):
                other = [dict(leaves(getattr(run(side, **options), part), part)) for side in (ours, theirs)]
                before = [dict(leaves(getattr(outcome, part), part)) for outcome in straight]
                if worst(other[0], other[1]) and not worst(before[0], before[1]):
                    moved = [bool(worst(one, two)) for one, two in zip(other, before, strict=True)]
                    text = f"the same numbers laid out contiguously ({name} {what.replace('_', ' ')})"
                    return Verdict(WHO[not moved[0], not moved[1]], text)
    return None


def of_second_derivatives(ours: Layer, theirs: Layer) -> Verdict | None:
    """By finite differences of the first derivatives, in which the two agree."""
    for train in modes(ours.case):
        sides = [Combination(side, train) for side in (ours, theirs)]
        found = [side.derivatives() for side in sides]
        place = worst(found[0], found[1])
        if place:
            name, index = place
            combination = sides[1]
            value, uncertainty = slope(combination.number, combination.wanted[name].detach(), index)
            numbers = [side[name][index].item() for side in found]
            scale = found[1][name].abs().nan_to_num(posinf=0).max().item()
            return judged(value, uncertainty, scale, numbers, "finite differences of the first derivatives")
    return None


DECIDES: dict[str, Callable[[Layer, Layer], Verdict | None]] = {
    "outputs": of_outputs,
    "gradients": of_gradients,
    "layouts": of_layouts,
    "second_order": of_second_derivatives,
}


def worst(ours: dict[str, Any], theirs: dict[str, Any], tolerance: float = TOLERANCE) -> tuple[str, Any] | None:
    """The place where two dicts of tensors differ most, if beyond the tolerance."""
    found: tuple[float, str, Any] = (tolerance, "", None)
    for name, expected in theirs.items():
        actual = ours.get(name)
        if not (isinstance(actual, Tensor) and isinstance(expected, Tensor) and actual.shape == expected.shape):
            continue
        if actual.numel() and expected.dtype is torch.float64:
            error = errors(actual, expected)
            if not error.max() <= found[0]:
                index = tuple(int(i) for i in torch.unravel_index(error.argmax(), error.shape))
                found = (error.max().item(), name, index)
    return (found[1], found[2]) if found[1] else None


def slope(function: Callable[[], float], x: Tensor, index: Any) -> tuple[float, float]:
    """The derivative by one element, and its uncertainty: central differences of shrinking steps, extrapolated to a
    step of zero (Ridders, Accurate computation of F'(x) and F'(x)F''(x), 1982)."""
    at = x[index].item()
    shrink, h = 1.4, FIRST_STEP * max(1.0, abs(at))
    rows: list[list[float]] = []
    best, uncertainty = math.nan, math.inf
    for i in range(14):
        values = []
        for sign in (1, -1):
            x[index] = at + sign * h
            values.append((function(), x[index].item()))
        x[index] = at
        row = [(values[0][0] - values[1][0]) / (values[0][1] - values[1][1])]
        for j in range(1, i + 1):
            power = shrink ** (2 * j)
            row.append((row[j - 1] * power - rows[i - 1][j - 1]) / (power - 1))
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - rows[i - 1][j - 1]))
            if error < uncertainty:
                best, uncertainty = row[j], error
        rows.append(row)
        h /= shrink
    return best, uncertainty


# -------------------------------------------------------------------------------------------------- many digits


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    return np.vectorize(function, otypes=[object])


exp, log, tanh, erf, root = (each(f) for f in (mp.exp, mp.log, mp.tanh, mp.erf, mp.sqrt))
log1p, expm1 = each(mp.log1p), each(mp.expm1)
pick = each(lambda condition, one, other: one if condition else other)
high, low = each(max), each(min)


def many(tensor: Tensor) -> Any:
    """The numbers of a tensor, exactly, with room for more digits."""
    values = tensor.detach().cpu().numpy()
    return np.vectorize(lambda x: mpf(float(x)), otypes=[object])(values) if tensor.is_floating_point() else values


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return pick(input * beta > threshold, input, log1p(exp(low(input * beta, threshold + 1))) / beta)


def gelu(input: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return input / 2 * (1 + tanh(mp.sqrt(2 / mp.pi) * (input + mpf(0.044715) * input**3)))
    return input * (1 + erf(input / mp.sqrt(2))) / 2


def celu(input: Any, alpha: float = 1.0) -> Any:
    return pick(input > 0, input, mpf(alpha) * expm1(low(input, 0) / mpf(alpha)))


def selu(input: Any) -> Any:
    scale, alpha = mpf(1.0507009873554804934193349852946), mpf(1.6732632423543772848170429916717)
    return scale * (high(input, 0) + low(0, alpha * expm1(low(input, 0))))


def log_softmax(input: Any, dim: int = -1) -> Any:
    shifted = input - input.max(dim, keepdims=True)
    return shifted - log(exp(shifted).sum(dim, keepdims=True))


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    axes = tuple(range(-len(np.atleast_1d(normalized_shape)), 0))
    centred = input - input.mean(axes, keepdims=True)
    y = centred / root((centred * centred).mean(axes, keepdims=True) + mpf(eps))
    return (y if weight is None else y * weight) + (0 if bias is None else bias)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    axes = tuple(range(-len(np.atleast_1d(normalized_shape)), 0))
    eps = torch.finfo(torch.float64).eps if eps is None else eps
    return input / root((input * input).mean(axes, keepdims=True) + mpf(eps)) * (1 if weight is None else weight)


def loss(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of pairs, which are then summed or averaged."""

    def reduced(input: Any, target: Any, reduction: str = "mean", **options: Any) -> Any:
        each_one = formula(input, target, **options)
        return {"none": each_one, "sum": each_one.sum(), "mean": each_one.sum() / each_one.size}[reduction]

    return reduced


def poisson_nll(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Any:
    value = exp(input) - target * input if log_input else input - target * log(input + mpf(eps))
    if not full:
        return value
    stirling = target * log(high(target, mpf(1))) - target + log(2 * mp.pi * high(target, mpf(1))) / 2
    return value + pick(target > 1, stirling, mpf(0))


FORMULAS: dict[str, Callable[..., Any]] = {
    "gelu": gelu,
    "celu": celu,
    "elu": lambda input, alpha=1.0: pick(input > 0, input, mpf(alpha) * expm1(low(input, 0))),
    "selu": selu,
    "silu": lambda input: input * sigmoid(input),
    "mish": lambda input: input * tanh(log1p(exp(input))),
    "softplus": softplus,
    "softsign": lambda input: input / (1 + abs(input)),
    "tanh": tanh,
    "tanhshrink": lambda input: input - tanh(input),
    "sigmoid": sigmoid,
    "logsigmoid": lambda input: -log1p(exp(-input)),
    "hardsigmoid": lambda input: high(0, low(1, input / 6 + mpf(1) / 2)),
    "hardswish": lambda input: input * high(0, low(1, input / 6 + mpf(1) / 2)),
    "relu": lambda input: high(input, mpf(0)),
    "leaky_relu": lambda input, negative_slope=0.01: pick(input > 0, input, mpf(negative_slope) * input),
    "softmax": lambda input, dim: exp(log_softmax(input, dim)),
    "softmin": lambda input, dim: exp(log_softmax(-input, dim)),
    "log_softmax": log_softmax,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "mse_loss": loss(lambda x, t: (x - t) ** 2),
    "l1_loss": loss(lambda x, t: abs(x - t)),
    "smooth_l1_loss": loss(
        lambda x, t, beta=1.0: pick(abs(x - t) < beta, (x - t) ** 2 / (2 * mpf(beta or 1)), abs(x - t) - mpf(beta) / 2)
    ),
    "huber_loss": loss(
        lambda x, t, delta=1.0: pick(abs(x - t) < delta, (x - t) ** 2 / 2, mpf(delta) * (abs(x - t) - mpf(delta) / 2))
    ),
    "binary_cross_entropy": loss(lambda x, t: -(t * high(log(x), -100) + (1 - t) * high(log(1 - x), -100))),
    "binary_cross_entropy_with_logits": loss(lambda x, t: t * log1p(exp(-x)) + (1 - t) * log1p(exp(x))),
    "soft_margin_loss": loss(lambda x, t: log1p(exp(-t * x))),
    "poisson_nll_loss": loss(poisson_nll),
}  # fmt: skip
ALIASES = {"bceloss": "binary_cross_entropy", "bcewithlogitsloss": "binary_cross_entropy_with_logits"}


def formula_of(case: Case) -> Callable[..., Any] | None:
    plain = case.name.rpartition(".")[2].lower()
    plain = ALIASES.get(plain, plain)
    return next((f for name, f in FORMULAS.items() if name.replace("_", "") == plain.replace("_", "")), None)


def formula(layer: Layer) -> tuple[list[Any], dict[str, Any]] | None:
    """The inputs and the options, weights among them, of a call as its formula takes them; None where it has none."""
    function = formula_of(layer.case)
    if function is None or any(not isinstance(x, Tensor) or x.is_complex() for x in layer.case.draw_inputs()):
        return None
    mp.dps = DIGITS
    args, kwargs, call = layer.case.draw_arguments()
    target = type(layer.module) if layer.module is not None else resolve("torch.nn", layer.case.name)
    parameters = inspect.signature(target).parameters
    inputs = layer.case.draw_inputs()
    names = [*parameters][len(inputs) if layer.case.is_function else 0 :]
    options = dict(zip(names, args, strict=False)) | kwargs | call | layer.state()
    known = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
    spare = {"inplace", "device", "dtype", "elementwise_affine", "affine", "_stacklevel"}
    if any(name not in known and not takes_all for name in options.keys() - spare):
        return None
    chosen = {name: many(v) if isinstance(v, Tensor) else v for name, v in options.items() if name not in spare}
    if chosen.get("bias") is False:
        del chosen["bias"]
    return [many(layer.cast(x)) for x in inputs], chosen


def value_of(case: Case, inputs: list[Any], options: dict[str, Any]) -> Any:
    function = formula_of(case)
    assert function is not None
    return np.asarray(function(*inputs, **options))
