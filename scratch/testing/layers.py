"""Compare a layer, loss or function with its reference: outputs and derivatives, number by number.

Each check is a function of (case, candidate, reference) that returns the largest relative error it saw, or
None where it does not apply, and raises `Mismatch` otherwise. ``CHECKS`` has them all by name.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Generator, Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

from scratch.testing.calls import Case
from scratch.testing.compare import (
    Check,
    Mismatch,
    leaves,
    mapped,
    named,
    relative_error,
    require_equal,
    require_same_error,
    worst,
)
from scratch.testing.packages import Missing, Namespace
from scratch.testing.running import (
    LAYOUTS,
    Layer,
    Layout,
    continuous,
    copied,
    differentiable_leaves,
    expanded,
    in_dtype,
    pair,
    random,
    run,
    sparse,
    zero,
)

TOLERANCE = 1e-10
CHECKS: dict[str, Check] = {}  # for cases
BAD_ARGUMENT_CHECKS: dict[str, Check] = {}  # for cases that are wrong on purpose


def modes(case: Case) -> tuple[bool, ...]:
    return (True,) if case.is_function else (True, False)


def distinct_modes(layer: Layer) -> tuple[bool, ...]:
    """Train, and eval where the layer then computes something else."""
    if layer.module is None:
        return (True,)
    training, evaluating = (run(layer, train=train, upstream=None).output for train in (True, False))
    try:
        require_equal(training, evaluating, "output", 0.0)
    except Mismatch:
        return (True, False)
    return (True,)


def mode_name(train: bool) -> str:
    return "train" if train else "eval"


@named(CHECKS)
def outputs(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Outputs, and buffers after one call and after three, in train and in eval mode; the same outputs without
    recording."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in modes(case):
        mode = mode_name(train)
        actual, expected = (run(side, train=train, upstream=None) for side in (ours, theirs))
        for what in ("output", "state", "differentiable"):
            ours_is, theirs_is = getattr(actual, what), getattr(expected, what)
            error = max(error, require_equal(ours_is, theirs_is, f"{mode}: {what}", TOLERANCE))
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                silent = ours(*copied(ours.draw()[0]), train=train)
            require_equal(silent, actual.output, f"{mode}: output under {context.__name__}", TOLERANCE)
        with torch.no_grad():
            for side in (ours, theirs):
                for _ in range(2):
                    side(*copied(side.draw()[0]), train=train, again=True)
        error = max(
            error,
            require_equal(ours.state(), theirs.state(), f"{mode}: state later", TOLERANCE),
        )
    return error


@named(CHECKS)
def gradients(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The gradient of every floating input and parameter under a random, a sparse and a zero upstream
    gradient, in train and in eval mode."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in modes(case):
        for upstream in (random, sparse, zero):
            where = f"{mode_name(train)} mode, {upstream.__name__} upstream gradient: gradient"
            actual, expected = (run(side, train=train, upstream=upstream).gradient for side in (ours, theirs))
            error = max(error, require_equal(actual, expected, where, TOLERANCE))
    return error


@named(CHECKS)
def subsets(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Gradients do not change when only some are asked for, and through each of several outputs alone.

    Every subset of up to four tensors; of more, each alone and each left out."""
    ours, theirs = pair(case, candidate, reference)
    full = run(theirs)
    names = list(full.gradient)
    sizes = range(1, len(names)) if len(names) <= 4 else (1, len(names) - 1)
    error = 0.0
    for wanted in (set(chosen) for size in sizes for chosen in combinations(names, size)):
        expected = {name: full.gradient[name] for name in names if name in wanted}
        if any(gradient is not None for gradient in expected.values()):
            actual = run(ours, wanted=wanted).gradient
            where = f"gradients of {sorted(wanted)} only: gradient"
            error = max(error, require_equal(actual, expected, where, TOLERANCE))
    if len(full.differentiable) > 1:
        for i, output in enumerate(full.differentiable):
            actual, expected = (run(side, through=i).gradient for side in (ours, theirs))
            where = f"through {output} alone: gradient"
            error = max(error, require_equal(actual, expected, where, TOLERANCE))
    return error


@named(CHECKS)
def layouts(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Outputs and gradients do not change for inputs and upstream gradients that are not contiguous."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for name, layout in list(LAYOUTS.items())[1:]:  # all but contiguous
        for what in ("layout", "upstream_layout"):
            options: dict[str, Any] = {what: layout}
            try:
                expected = run(theirs, **options)
            except RuntimeError:
                if case.same_random:  # a native kernel that takes contiguous tensors only
                    continue
                raise
            actual, where = run(ours, **options), f"{name} {what.replace('_', ' ')}"
            error = max(error, require_equal(actual.output, expected.output, f"{where}: output", TOLERANCE))
            error = max(error, require_equal(actual.gradient, expected.gradient, f"{where}: gradient", TOLERANCE))
    actual, expected = (run(side, upstream=expanded) for side in (ours, theirs))
    where = "expanded upstream gradient: gradient"
    return max(error, require_equal(actual.gradient, expected.gradient, where, TOLERANCE))


@named(CHECKS)
def views(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Outputs are contiguous where the reference's are, however the inputs lie in memory, and so are the gradients of
    contiguous inputs: others flatten both by ``view``."""
    if not case.same_random:
        return None
    ours, theirs = pair(case, candidate, reference)
    for name, layout in LAYOUTS.items():
        try:
            expected = contiguous(theirs, layout)
            with torch.no_grad():  # where it may choose another kernel
                silent = contiguous(theirs, layout)
        except RuntimeError:  # a native kernel that takes contiguous tensors only
            continue
        actual = contiguous(ours, layout)
        for path, right in actual.items():
            asked = expected.get(path, False) and silent.get(path, True)
            if asked and not right and (path.startswith("output") or name == "contiguous"):
                inputs = "" if name == "contiguous" else f" for inputs that are {name} in memory"
                raise Mismatch(f"{path}{inputs} is not contiguous, as the reference's is: view cannot flatten it")
    return 0.0


def contiguous(layer: Layer, layout: Layout) -> dict[str, bool]:
    """Whether outputs are contiguous, and the gradients of inputs and parameters, each by its name."""
    inputs, tensors = layer.draw()
    outputs = layer(*mapped(lambda t: layout(t) if continuous(t) else t.clone(), inputs))
    found = {path: t for path, t in leaves(outputs, "output") if isinstance(t, Tensor)}
    leaving = {path: t for path, t in found.items() if t.requires_grad}
    if leaving:
        upstream = [random(t, Generator()).to(t.dtype) for t in leaving.values()]
        grads = torch.autograd.grad(list(leaving.values()), list(tensors.values()), upstream, allow_unused=True)
        found |= {f"gradient of {name}": grad for name, grad in zip(tensors, grads, strict=True) if grad is not None}
    return {path: t.is_contiguous() for path, t in found.items() if t.layout is torch.strided}


@named(CHECKS)
def untouched(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The backward writes neither into the upstream gradient nor into an input; the forward only into an
    input that the reference writes into too."""
    ours, theirs = pair(case, candidate, reference)
    for train in modes(case):
        actual, expected = run(ours, train=train), run(theirs, train=train)
        require_equal(actual.before["input"], expected.before["input"], "input after the forward", TOLERANCE)
        for what, value in actual.before.items():
            require_equal(actual.after[what], value, f"{what} after the backward", 0.0)
    return 0.0


@named(CHECKS)
def twice(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """A second backward through the same graph gives what the first gave."""
    ours, theirs = pair(case, candidate, reference)
    actual, expected = run(ours, backwards=2).gradient, run(theirs).gradient
    return require_equal(actual, expected, "second backward: gradient", TOLERANCE)


@named(CHECKS)
def overwritten(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Whoever comes after may write into an output, as an activation with ``inplace=True`` does, where that may be
    done to the reference's: the values and the gradients are then right, and the inputs as they were. Only a layer
    that needs its output in the backward may refuse, by autograd's own error."""
    ours, theirs = pair(case, candidate, reference)
    try:
        doubled(theirs)
    except RuntimeError:
        return None
    expected = doubled(theirs, in_place=False)  # for in place, older versions of torch get some wrong themselves
    try:
        actual = doubled(ours)
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            return None
        raise
    return require_equal(actual, expected, "after the output was doubled in place", TOLERANCE)


def doubled(layer: Layer, in_place: bool = True) -> dict[str, Any]:
    inputs, tensors = layer.draw()
    outputs = differentiable_leaves(layer(*mapped(Tensor.clone, inputs), train=True))
    for name, output in outputs.items():
        outputs[name] = output.mul_(2) if in_place else output * 2
    upstream = [random(output, Generator()) for output in outputs.values()]
    found = list(outputs.values())
    gradients = torch.autograd.grad(found, list(tensors.values()), upstream, allow_unused=True) if tensors else ()
    return {"output": outputs, "gradient": dict(zip(tensors, gradients, strict=True)), "input": inputs}


def as_function(layer: Layer, train: bool) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """The layer as PyTorch's gradcheck takes it, and the tensors that gradcheck varies in place."""
    inputs, wanted = layer.draw()

    def function(*_: Tensor) -> tuple[Tensor, ...]:
        outputs = layer(*mapped(Tensor.clone, inputs), train=train, again=True)
        return tuple(differentiable_leaves(outputs).values())

    return function, tuple(wanted.values())


@named(CHECKS)
def finite_differences(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """`gradcheck` at atol 1e-8 and rtol 1e-6 (its defaults accept a derivative that is 0.1 % off)."""
    if not case.finite_differences:
        return None
    ours, _ = pair(case, candidate, reference)
    for train in distinct_modes(ours):
        function, tensors = as_function(ours, train)
        if _gradcheckable(function, tensors):
            try:
                gradcheck(function, tensors, atol=1e-8, rtol=1e-6, nondet_tol=1e-12, fast_mode=_many(tensors))
            except GradcheckError as error:
                raise Mismatch(f"{mode_name(train)} mode: {error}") from None
    return 0.0


@named(CHECKS)
def second_order(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """The backward that records itself gives the same gradients, and its own derivative agrees with the
    reference's, where that has one."""
    if not case.second_order:
        return None
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in distinct_modes(ours):
        mode = mode_name(train)
        first = run(ours, train=train, create_graph=True).gradient
        where = f"{mode} mode, recorded: gradient"
        error = max(error, require_equal(first, run(theirs, train=train).gradient, where, TOLERANCE))
        try:
            expected = second_derivatives(theirs, train)
        except RuntimeError:  # not every native kernel has one
            continue
        second, where = second_derivatives(ours, train), f"{mode} mode: second derivative"
        error = max(error, require_equal(second, expected, where, TOLERANCE))
    return error


@named(CHECKS)
def second_differences(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """`gradgradcheck` along random directions: the derivative of the backward against finite differences."""
    if not (case.second_order and case.finite_differences):
        return None
    ours, _ = pair(case, candidate, reference)
    for train in distinct_modes(ours):
        function, tensors = as_function(ours, train)
        if _gradcheckable(function, tensors):
            try:
                gradgradcheck(function, tensors, atol=1e-8, rtol=1e-6, nondet_tol=1e-12, fast_mode=True)
            except GradcheckError as error:
                raise Mismatch(f"{mode_name(train)} mode: {error}") from None
            except RuntimeError as error:  # that there is none is a failure only where the reference has one
                if any(words in str(error) for words in ("is not implemented", "once_differentiable", "not supported")):
                    raise Missing(f"{case.name} has no second derivative: {error}") from None
                raise
    return 0.0


class Combination:
    """A random combination of all first derivatives and, as a penalty stands beside its loss, of the outputs."""

    def __init__(self, layer: Layer, train: bool) -> None:
        self.layer, self.train = layer, train
        self.inputs, self.wanted = layer.draw()
        self.varied = list(self.wanted.values())
        outputs = self.outputs()
        generator = Generator().manual_seed(layer.case.seed + 4)
        self.upstream = [random(t, generator).requires_grad_() for t in outputs]
        self.beside = [u.detach().clone() for u in self.upstream]
        self.weights = [random(t, generator) for t in self.varied]
        self.wanted |= {f"upstream[{i}]": t for i, t in enumerate(self.upstream)}

    def outputs(self, again: bool = False) -> list[Tensor]:
        outputs = self.layer(*mapped(Tensor.clone, self.inputs), train=self.train, again=again)
        return list(differentiable_leaves(outputs).values())

    def total(self, create_graph: bool) -> Tensor | None:
        """None where there is no second derivative."""
        outputs = self.outputs(again=not create_graph)
        if not outputs:
            return None
        options = {"create_graph": create_graph, "retain_graph": True, "allow_unused": True}
        firsts = torch.autograd.grad(outputs, self.varied, self.upstream, **options)
        total = sum(
            (g * w).sum()
            for g, w in zip(firsts, self.weights, strict=True)
            if g is not None and (g.requires_grad or not create_graph) and not g.is_sparse
        )
        if not isinstance(total, Tensor):
            return None
        total = total + sum((y * u).sum() for y, u in zip(outputs, self.beside, strict=True))
        return total.real  # of complex numbers one real function

    def number(self) -> float:
        """The total alone, to be differentiated by finite differences."""
        total = self.total(create_graph=False)
        return 0.0 if total is None else total.item()

    def firsts(self) -> dict[str, Tensor]:
        """The gradient of what stands beside the first derivatives."""
        outputs = self.outputs()
        gradients = torch.autograd.grad(outputs, self.varied, self.beside, allow_unused=True, materialize_grads=True)
        return dict(zip(self.wanted, gradients, strict=False))

    def derivatives(self) -> dict[str, Tensor]:
        """Its gradient by every input, parameter and upstream gradient, zero where there is none."""
        total = self.total(create_graph=True)
        if total is None:
            return {name: torch.zeros_like(t) for name, t in self.wanted.items()} if self.upstream else {}
        tensors = list(self.wanted.values())
        return dict(zip(self.wanted, torch.autograd.grad(
            total, tensors, allow_unused=True, materialize_grads=True), strict=True))  # fmt: skip


def second_derivatives(layer: Layer, train: bool) -> dict[str, Tensor]:
    return Combination(layer, train).derivatives()


def _gradcheckable(function: Callable[..., tuple[Tensor, ...]], tensors: tuple[Tensor, ...]) -> bool:
    """There is something to vary, something that varies, and all of it is finite."""
    outputs = function()
    return (
        any(t.numel() for t in tensors)
        and any(t.numel() for t in outputs)
        and all(t.isfinite().all() for t in (*tensors, *outputs))
    )


def _many(tensors: tuple[Tensor, ...]) -> bool:
    """Too many numbers to vary each alone: vary them along random directions."""
    return sum(t.numel() for t in tensors) > 60


@named(CHECKS)
def float32(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Within 1e-5 of the truth in float64, or twice the reference's own error where that is more."""
    return low_precision(case, candidate, reference, torch.float32, 1e-5)


@named(CHECKS)
def bfloat16(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """No further from the truth than twice the reference's own error, or one unit in the last place."""
    if not case.bfloat16:
        return None
    return low_precision(case, candidate, reference, torch.bfloat16, torch.finfo(torch.bfloat16).eps)


def low_precision(
    case: Case, candidate: Namespace, reference: Namespace, dtype: torch.dtype, allowed: float
) -> float | None:
    """Errors relative to the largest value of a tensor, or to one where all are smaller: exactness is proved
    in float64, here it is about losing no digits on the way. The truth starts from the rounded numbers."""
    if any(t.is_complex() for _, t in leaves(case.draw_inputs(), "") if isinstance(t, Tensor)):
        return None
    ours, native = pair(case, candidate, reference, in_dtype(dtype))
    try:
        native_result = run(native)
    except Exception:  # the reference does not work in this precision
        return None
    drew_random_numbers = not torch.equal(torch.get_rng_state(), Generator().manual_seed(case.seed).get_state())
    result = run(ours)
    if drew_random_numbers:  # and others in another precision: the truth is out of reach
        truth = native_result
    else:
        truth = run(pair(case, case.reference or reference, reference, in_dtype(torch.float64, dtype))[1])
    worst_error = 0.0
    for part in ("output", "gradient", "state"):
        found, known, exact = (dict(leaves(getattr(side, part), part)) for side in (result, native_result, truth))
        require_equal(list(found), list(known), part, 0.0)
        for path, tensor in found.items():
            other = known[path]
            if not isinstance(tensor, Tensor) or not continuous(tensor):
                continue
            if tensor.dtype != other.dtype or tensor.shape != other.shape:
                ours_is, theirs_is = (f"{t.dtype} {tuple(t.shape)}" for t in (tensor, other))
                raise Mismatch(f"{path}: {ours_is}, expected {theirs_is}")
            dense, other, exactly = (t.to_dense() for t in (tensor, other, exact[path]))
            error, native_error = (relative_error(t, exactly, floor=1.0) for t in (dense, other))
            if not error <= max(allowed, 2 * native_error):
                message = f"{path}: relative error {error:.2g}, the reference's own {native_error:.2g}, "
                raise Mismatch(message + worst(dense, exactly, floor=1.0), error, path, dense, exactly)
            worst_error = max(worst_error, error)
    return worst_error


@named(CHECKS)
def warnings(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Warnings are of the reference's categories, when the layer is built and called; not counted are
    torch's that its sparse matrices are in beta state, which say nothing of the layer."""

    def heard(package: Namespace) -> list[str]:
        always = torch.is_warn_always_enabled()
        torch.set_warn_always(True)
        try:
            with catch_warnings(record=True) as caught:
                simplefilter("always")
                run(Layer(case, package, like=like), upstream=None)
        finally:
            torch.set_warn_always(always)
        return sorted({each.category.__name__ for each in caught if "in beta state" not in str(each.message)})

    like = case.reference or reference
    require_equal(heard(candidate), heard(like), "warnings", 0.0)
    return 0.0


@named(BAD_ARGUMENT_CHECKS)
def same_error(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The candidate refuses what the reference refuses, with the same type of exception. For a case that is
    wrong on purpose."""

    def attempt(package: Namespace) -> None:
        run(Layer(case, package, like=like))

    like = case.reference or reference
    require_same_error(lambda: attempt(candidate), lambda: attempt(like))
    return 0.0
