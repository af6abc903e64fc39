"""Compare a layer, loss or function with its reference: outputs and derivatives, number by number.

Each check is a function of (case, candidate, reference) that returns the largest relative error it saw, or None
where it does not apply, and raises `Mismatch` otherwise. ``CHECKS`` has them all by name.
"""

from collections.abc import Callable, Collection, Iterator
from itertools import combinations
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Generator, Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from torch.nn.parameter import is_lazy

from scratch.testing.cases import Case, Namespace, resolve
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

TOLERANCE = 1e-10
CHECKS: dict[str, Check] = {}  # for cases
BAD_ARGUMENT_CHECKS: dict[str, Check] = {}  # for cases that are wrong on purpose

Cast = Callable[[Tensor], Tensor]
Layout = Callable[[Tensor], Tensor]


def in_dtype(dtype: torch.dtype, rounded_to: torch.dtype | None = None) -> Cast:
    """Floating tensors in this dtype, rounded to another one first; integers and complex numbers as they are."""

    def cast(tensor: Tensor) -> Tensor:
        return tensor.to(rounded_to or dtype).to(dtype) if tensor.is_floating_point() else tensor

    return cast


DOUBLE = in_dtype(torch.float64)

# How a tensor may lie in memory. Each keeps the values, makes a copy, and lets gradients through.
LAYOUTS: dict[str, Layout] = {
    "contiguous": lambda t: t.clone(memory_format=torch.contiguous_format),
    "strided": lambda t: torch.stack((t.detach(), t), -1)[..., 1],
    "transposed": lambda t: (
        t.mT.clone(memory_format=torch.contiguous_format).mT if t.dim() > 1 else t.clone()
    ),
    "reversed": lambda t: (
        t.permute(*reversed(range(t.dim())))
        .clone(memory_format=torch.contiguous_format)
        .permute(*reversed(range(t.dim())))
    ),
}


def random(like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.promote_types(like.dtype, torch.float64))


def sparse(like: Tensor, generator: Generator) -> Tensor:
    """Mostly zeros."""
    return random(like, generator) * (torch.rand(like.shape, generator=generator) < 0.2)


def zero(like: Tensor, generator: Generator) -> Tensor:
    return torch.zeros_like(random(like, generator))


def expanded(like: Tensor, generator: Generator) -> Tensor:
    """One number everywhere, with strides of zero, as the backward of a sum sends it."""
    return random(like.sum(), generator).expand(like.shape)


class Layer:
    """One package's side of a case: built, in one precision, and always called from the same state and seed."""

    def __init__(self, case: Case, package: Namespace, cast: Cast = DOUBLE) -> None:
        self.case, self.cast = case, cast
        target = resolve(package, case.name)
        args, kwargs, call = case.draw_arguments()
        self.module: Any = None
        if case.is_function:
            args, kwargs = mapped(cast, (args, kwargs))
            self.function = lambda *inputs: target(*inputs, *args, **kwargs)
        else:
            torch.default_generator.manual_seed(case.seed)
            self.module = target(*args, **kwargs)
            if any(map(is_lazy, self.module.parameters())):
                # a lazy layer takes its sizes from its first input
                self.module(*mapped(in_dtype(torch.get_default_dtype()), case.draw_inputs()), **call)
            for tensor in (*self.module.parameters(), *self.module.buffers()):
                tensor.data = cast(tensor.data)
            call = mapped(cast, call)
            self.function = lambda *inputs: self.module(*inputs, **call)
        self.keep()

    def keep(self) -> None:
        """Take the present parameters and buffers as the state from which every call begins."""
        self.trainable = {name for name, p in self.tensors() if p.requires_grad}
        self.initial = {name: t.detach().clone() for name, t in self.tensors()}

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        if self.module is not None:
            yield from self.module.named_parameters()
            yield from self.module.named_buffers()

    def __call__(self, *inputs: Any, train: bool = True, again: bool = False) -> Any:
        if self.module is not None:
            self.module.train(train)
        if not again:
            with torch.no_grad():
                for name, tensor in self.tensors():
                    tensor.copy_(self.initial[name])
        torch.default_generator.manual_seed(self.case.seed)
        return self.function(*inputs)

    def draw(self, wanted: Collection[str] | None = None) -> tuple[tuple[Any, ...], dict[str, Tensor]]:
        """The inputs, and everything that gets a gradient by name: inputs and parameters, or the wanted ones."""
        inputs = tuple(
            mapped(
                lambda t, i=i: (
                    self.cast(t).requires_grad_(i not in self.case.constant) if _continuous(t) else t
                ),
                value,
            )
            for i, value in enumerate(self.case.draw_inputs())
        )
        found = {path: t for path, t in leaves(inputs, "input") if isinstance(t, Tensor) and t.requires_grad}
        found |= {name: t for name, t in self.tensors() if name in self.trainable}
        for name, tensor in found.items():
            tensor.requires_grad_(wanted is None or name in wanted)
        return inputs, {name: t for name, t in found.items() if t.requires_grad}


def _continuous(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def pair(case: Case, candidate: Namespace, reference: Namespace, cast: Cast = DOUBLE) -> tuple[Layer, Layer]:
    """Both sides with equal weights, moved away from their initial values: a bias of zero or a scale of one
    would hide a mistake. Where random numbers cannot agree the candidate is compared with itself."""
    ours = Layer(case, candidate, cast)
    theirs = Layer(case, (case.reference or reference) if case.same_random else candidate, cast)
    if ours.module is not None and theirs.module is not None:
        generator = Generator().manual_seed(case.seed + 2)
        state = theirs.module.state_dict()
        parameters = dict(theirs.module.named_parameters())
        for name, tensor in state.items():
            if tensor.is_floating_point():
                noise = 0.3 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                state[name] = cast(tensor.double() + (noise if name in parameters else noise.abs()))
        for side in (ours, theirs):
            side.module.load_state_dict(state, strict=True)
            side.keep()
    return ours, theirs


def run(
    layer: Layer,
    *,
    train: bool = True,
    upstream: Callable[[Tensor, Generator], Tensor] | None = random,
    layout: Layout = LAYOUTS["contiguous"],
    upstream_layout: Layout | None = None,
    wanted: Collection[str] | None = None,
    through: int | None = None,
    backwards: int = 1,
    create_graph: bool = False,
) -> dict[str, Any]:
    """Call the layer and differentiate: its outputs, gradients, and what became of its inputs and its state.

    Without ``upstream`` there is no backward; ``through`` picks one of several outputs for it; of several
    ``backwards`` the last one counts."""
    inputs, wanted_tensors = layer.draw(wanted)
    with torch.enable_grad():
        inputs = mapped(lambda t: layout(t) if _continuous(t) else t.clone(), inputs)
        outputs = layer(*inputs, train=train)
    differentiable = list(differentiable_leaves(outputs).items())
    result: dict[str, Any] = {
        "output": mapped(lambda t: t.detach().clone(), outputs),
        "differentiable": [path for path, _ in differentiable],
        "input": mapped(lambda t: t.detach().clone(), inputs),
        "state": {name: t.detach().clone() for name, t in layer.tensors()},
        "gradient": {},
    }
    if upstream is None or not differentiable:
        return result
    leaving = [t for i, (_, t) in enumerate(differentiable) if through in (None, i)]
    generator = Generator().manual_seed(layer.case.seed + 3)
    arriving = [layer.cast(upstream(t, generator)).to(t.dtype) for t in leaving]
    if upstream_layout is not None:
        arriving = [upstream_layout(t) for t in arriving]
    before = [t.clone() for t in arriving]
    for _ in range(backwards):
        gradients = torch.autograd.grad(
            leaving,
            list(wanted_tensors.values()),
            arriving,
            allow_unused=True,
            retain_graph=True,
            create_graph=create_graph,
        )
    result["gradient"] = dict(zip(wanted_tensors, mapped(Tensor.detach, gradients), strict=True))
    result["upstream"], result["upstream before"] = arriving, before
    return result


def differentiable_leaves(outputs: Any) -> dict[str, Tensor]:
    return {path: t for path, t in leaves(outputs, "output") if isinstance(t, Tensor) and t.requires_grad}


def modes(case: Case) -> tuple[bool, ...]:
    return (True,) if case.is_function else (True, False)


def distinct_modes(layer: Layer) -> tuple[bool, ...]:
    """Train, and eval where the layer then computes something else."""
    if layer.module is None:
        return (True,)
    outputs = [run(layer, train=train, upstream=None)["output"] for train in (True, False)]
    try:
        require_equal(*outputs, "output", 0.0)
    except Mismatch:
        return (True, False)
    return (True,)


def mode_name(train: bool) -> str:
    return "train" if train else "eval"


@named(CHECKS)
def outputs(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Outputs, what becomes of inputs (also in-place), and buffers after one call and after three, in train and
    in eval mode; the same without recording."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in modes(case):
        mode = mode_name(train)
        actual, expected = (run(side, train=train, upstream=None) for side in (ours, theirs))
        for what in ("output", "state", "input", "differentiable"):
            error = max(error, require_equal(actual[what], expected[what], f"{mode}: {what}", TOLERANCE))
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                silent = ours(*mapped(Tensor.clone, case.draw_inputs()), train=train)
            require_equal(silent, actual["output"], f"{mode}: output under {context.__name__}", TOLERANCE)
        with torch.no_grad():
            for side in (ours, theirs):
                for _ in range(2):
                    side(*case.draw_inputs(), train=train, again=True)
        error = max(
            error,
            require_equal(dict(ours.tensors()), dict(theirs.tensors()), f"{mode}: state later", TOLERANCE),
        )
    return error


@named(CHECKS)
def gradients(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The gradient of every floating input and parameter under a random, a sparse and a zero upstream gradient,
    in train and in eval mode."""
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in modes(case):
        for upstream in (random, sparse, zero):
            where = f"{mode_name(train)} mode, {upstream.__name__} upstream gradient: gradient"
            actual, expected = (
                run(side, train=train, upstream=upstream)["gradient"] for side in (ours, theirs)
            )
            error = max(error, require_equal(actual, expected, where, TOLERANCE))
    return error


@named(CHECKS)
def subsets(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The same gradients when only some are asked for, and through each of several outputs alone.

    Every subset of up to four tensors; of more, each alone and each left out."""
    ours, theirs = pair(case, candidate, reference)
    full = run(theirs)
    names = list(full["gradient"])
    sizes = range(1, len(names)) if len(names) <= 4 else (1, len(names) - 1)
    error = 0.0
    for wanted in (set(chosen) for size in sizes for chosen in combinations(names, size)):
        actual = run(ours, wanted=wanted)["gradient"]
        if actual:  # else no output depends on these
            expected = {name: full["gradient"][name] for name in names if name in wanted}
            where = f"gradients of {sorted(wanted)} only: gradient"
            error = max(error, require_equal(actual, expected, where, TOLERANCE))
    count = len(full["differentiable"])
    for i in range(count if count > 1 else 0):
        actual, expected = (run(side, through=i)["gradient"] for side in (ours, theirs))
        where = f"through {full['differentiable'][i]} alone: gradient"
        error = max(error, require_equal(actual, expected, where, TOLERANCE))
    return error


@named(CHECKS)
def layouts(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The same outputs and gradients for inputs and upstream gradients that are not contiguous."""
    ours, theirs = pair(case, candidate, reference)
    expected = run(theirs)
    error = 0.0
    for name, layout in LAYOUTS.items():
        for what, options in (
            ("inputs", {"layout": layout}),
            ("upstream gradient", {"upstream_layout": layout}),
        ):
            actual = run(ours, **options)
            for part in ("output", "gradient"):
                error = max(
                    error, require_equal(actual[part], expected[part], f"{name} {what}: {part}", TOLERANCE)
                )
    actual, expected = (run(side, upstream=expanded)["gradient"] for side in (ours, theirs))
    return max(error, require_equal(actual, expected, "expanded upstream gradient: gradient", TOLERANCE))


@named(CHECKS)
def untouched(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The backward writes neither into the upstream gradient nor into an input; the forward only into an input
    that the reference writes into too."""
    ours, theirs = pair(case, candidate, reference)
    for train in modes(case):
        actual, silent, expected = (
            run(ours, train=train),
            run(ours, train=train, upstream=None),
            run(theirs, train=train, upstream=None),
        )
        require_equal(
            actual.get("upstream"), actual.get("upstream before"), "upstream gradient afterwards", 0.0
        )
        require_equal(silent["input"], expected["input"], "input after the forward", TOLERANCE)
        require_equal(actual["input"], silent["input"], "input after the backward", 0.0)
    return 0.0


@named(CHECKS)
def twice(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """A second backward through the same graph gives what the first gave."""
    ours, theirs = pair(case, candidate, reference)
    actual, expected = run(ours, backwards=2)["gradient"], run(theirs)["gradient"]
    return require_equal(actual, expected, "second backward: gradient", TOLERANCE)


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
    """The backward that records itself gives the same gradients; its own derivative agrees with the reference's,
    where that has one, and with finite differences."""
    if not case.second_order:
        return None
    ours, theirs = pair(case, candidate, reference)
    error = 0.0
    for train in distinct_modes(ours):
        mode = mode_name(train)
        actual, expected = (
            run(ours, train=train, create_graph=True)["gradient"],
            run(theirs, train=train)["gradient"],
        )
        error = max(error, require_equal(actual, expected, f"{mode} mode, recorded: gradient", TOLERANCE))
        try:
            seconds = second_derivatives(theirs, train)
        except RuntimeError:  # not every native kernel has one
            seconds = None
        if seconds is not None:
            actual = second_derivatives(ours, train)
            error = max(error, require_equal(actual, seconds, f"{mode} mode: second derivative", TOLERANCE))
        function, tensors = as_function(ours, train)
        if case.finite_differences and _gradcheckable(function, tensors):
            try:
                gradgradcheck(function, tensors, atol=1e-8, rtol=1e-6, nondet_tol=1e-12, fast_mode=True)
            except GradcheckError as failure:
                raise Mismatch(f"{mode} mode, by finite differences: {failure}") from None
    return error


def second_derivatives(layer: Layer, train: bool) -> dict[str, Tensor]:
    """The gradient of a random combination of all first derivatives, by every input, parameter and upstream
    gradient. Zero where there is none."""
    inputs, wanted = layer.draw()
    outputs = list(differentiable_leaves(layer(*mapped(Tensor.clone, inputs), train=train)).values())
    generator = Generator().manual_seed(layer.case.seed + 4)
    upstream = [random(t, generator).requires_grad_() for t in outputs]
    weights = {name: random(t, generator) for name, t in wanted.items()}
    if not outputs:
        return {}
    firsts = torch.autograd.grad(
        outputs, list(wanted.values()), upstream, create_graph=True, allow_unused=True
    )
    total = sum(
        (g * w).sum()
        for g, w in zip(firsts, weights.values(), strict=True)
        if g is not None and g.requires_grad and not g.is_sparse
    )
    wanted |= {f"upstream[{i}]": t for i, t in enumerate(upstream)}
    if not isinstance(total, Tensor):
        return {name: torch.zeros_like(t) for name, t in wanted.items()}
    return dict(
        zip(
            wanted,
            torch.autograd.grad(total, list(wanted.values()), allow_unused=True, materialize_grads=True),
            strict=True,
        )
    )


def _gradcheckable(function: Callable[..., tuple[Tensor, ...]], tensors: tuple[Tensor, ...]) -> bool:
    return any(t.numel() for t in tensors) and any(t.numel() for t in function())


def _many(tensors: tuple[Tensor, ...]) -> bool:
    """Too many numbers to vary each alone: vary them along random directions."""
    return sum(t.numel() for t in tensors) > 60


@named(CHECKS)
def float32(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """In float32 within 1e-5 of the truth in float64, or twice the reference's own error where that is more."""
    return low_precision(case, candidate, reference, torch.float32, 1e-5)


@named(CHECKS)
def bfloat16(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """In bfloat16 no further from the truth than twice the reference's own error, or one unit in the last place."""
    return low_precision(case, candidate, reference, torch.bfloat16, torch.finfo(torch.bfloat16).eps)


def low_precision(
    case: Case, candidate: Namespace, reference: Namespace, dtype: torch.dtype, allowed: float
) -> float | None:
    """Errors relative to the largest value of a tensor, or to one where all are smaller: exactness is proved in
    float64, here it is about losing no digits on the way. The truth starts from the rounded inputs and weights."""
    if any(t.is_complex() for _, t in leaves(case.draw_inputs(), "") if isinstance(t, Tensor)):
        return None
    try:
        ours, native = pair(case, candidate, reference, in_dtype(dtype))
        native_result = run(native)
    except Mismatch:
        raise
    except Exception:  # the reference does not work in this precision
        return None
    result = run(ours)
    drew_random_numbers = not torch.equal(
        torch.get_rng_state(), Generator().manual_seed(case.seed).get_state()
    )
    if drew_random_numbers:  # and others in another precision: the truth is out of reach
        truth = native_result
    else:
        truth = run(pair(case, reference, reference, in_dtype(torch.float64, rounded_to=dtype))[1])
    worst_error = 0.0
    for part in ("output", "gradient", "state"):
        found, known, exact = (dict(leaves(side[part], part)) for side in (result, native_result, truth))
        require_equal(list(found), list(known), part, 0.0)
        for path, tensor in found.items():
            other = known[path]
            if not isinstance(tensor, Tensor) or not _continuous(tensor):
                continue
            if tensor.dtype != other.dtype or tensor.shape != other.shape:
                raise Mismatch(
                    f"{path}: {tensor.dtype} {tuple(tensor.shape)}, expected {other.dtype} {tuple(other.shape)}"
                )
            dense, other, exactly = (t.to_dense() for t in (tensor, other, exact[path]))
            error, native_error = (relative_error(t, exactly, floor=1.0) for t in (dense, other))
            if not error <= max(allowed, 2 * native_error):
                raise Mismatch(
                    f"{path}: relative error {error:.2g}, the reference's own {native_error:.2g}, "
                    f"{worst(dense, exactly, floor=1.0)}"
                )
            worst_error = max(worst_error, error)
    return worst_error


@named(CHECKS)
def warnings(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The same categories of warnings, when the layer is built and called."""

    def heard(package: Namespace) -> list[str]:
        always = torch.is_warn_always_enabled()
        torch.set_warn_always(True)
        try:
            with catch_warnings(record=True) as caught:
                simplefilter("always")
                run(Layer(case, package), upstream=None)
        finally:
            torch.set_warn_always(always)
        return sorted({warning.category.__name__ for warning in caught})

    require_equal(heard(candidate), heard(case.reference or reference), "warnings", 0.0)
    return 0.0


@named(BAD_ARGUMENT_CHECKS)
def same_error(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """The candidate refuses what the reference refuses, with the same type of exception. For a case that is
    wrong on purpose."""

    def attempt(package: Namespace) -> None:
        layer = Layer(case, package)
        run(layer)

    require_same_error(lambda: attempt(candidate), lambda: attempt(case.reference or reference))
    return 0.0
