"""Does a layer go through PyTorch's transformations, where the reference does: vmap, batches of upstream gradients,
tensors that have a shape only, checkpointing, compile, autocast?

Each check answers None where the reference itself cannot be transformed.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, vmap
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.checkpoint import checkpoint

from scratch.testing.calls import Case
from scratch.testing.compare import Check, Mismatch, leaves, mapped, named, relative_error, require_equal
from scratch.testing.layers import TOLERANCE, mode_name, modes
from scratch.testing.packages import Namespace
from scratch.testing.running import Layer, Outcome, continuous, differentiable_leaves, in_dtype, pair, random, run

TRANSFORM_CHECKS: dict[str, Check] = {}
NARROW = torch.bfloat16
BATCH = 3
RECURRENT = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
# Torch's recurrent layers give float32 or bfloat16 on a CPU, as it comes: other kernels for padded and packed
# sequences. On a GPU they always give the narrow type, and so do ours everywhere.


class Called(torch.nn.Module):
    """A layer's call with the options of its case, as a Module, so that `functional_call` can exchange its tensors."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.module, self.function, self.seed = layer.module, layer.function, layer.case.seed

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


class Pure:
    """A layer as a pure function of the tensors among its inputs and of its parameters, as torch.func takes it.

    ``tensors`` are the inputs in their order, ``varied`` the places among them of those that get a gradient.
    """

    def __init__(self, layer: Layer, train: bool) -> None:
        inputs, wanted = layer.draw()
        self.flat, self.spec = tree_flatten(inputs)
        self.places = [i for i, value in enumerate(self.flat) if isinstance(value, Tensor)]
        self.varied = [i for i in self.places if self.flat[i].requires_grad]
        self.called = Called(layer).train(train)
        self.parameters = {f"module.{name}": t for name, t in layer.initial.items() if name in wanted}
        self.buffers = {f"module.{name}": t for name, t in layer.initial.items() if name not in wanted}
        self.own = {f"module.{theirs}": f"module.{mine}" for mine, theirs in layer.names.items()}
        self.floating = {i: self.flat[i].detach() for i in self.varied}

    def outputs(
        self, floating: dict[int, Tensor], parameters: dict[str, Tensor], others: dict[int, Tensor] | None = None
    ) -> list[Tensor]:
        """The outputs that have a gradient, given the varied inputs, the parameters and the other tensors."""
        torch.default_generator.manual_seed(self.called.seed)
        state = parameters | {name: t.clone() for name, t in self.buffers.items()}
        state = {self.own.get(name, name): t for name, t in state.items()}
        given = {i: t.clone() for i, t in (floating | (others or {})).items()}
        values = [given.get(i, value) for i, value in enumerate(self.flat)]
        outputs = functional_call(self.called, state, tuple(tree_unflatten(values, self.spec)))
        return [t for _, t in leaves(outputs, "output") if isinstance(t, Tensor) and continuous(t)]

    def total(self, *given: Any) -> Tensor:
        """The sum of the sines of all outputs."""
        return torch.stack([t.sin().sum() for t in self.outputs(*given)]).sum()


def gradient_of(layer: Layer, train: bool) -> Callable[..., Any]:
    """``torch.func.grad`` of the sum of the sines of all outputs: a function of the tensors among the inputs that
    gives the gradients of the floating ones and of the parameters."""
    pure = Pure(layer, train)

    def gradient(*values: Tensor) -> Any:
        given = dict(zip(pure.places, values, strict=True))
        floating = {i: given.pop(i) for i in pure.varied}
        return grad(pure.total, (0, 1))(floating, pure.parameters, given)

    return gradient


def batch_of_inputs(layer: Layer) -> list[tuple[Tensor, ...]]:
    """The tensors among the inputs of a case, drawn from several seeds."""
    seeds = [layer.case.seed + 10 * number for number in range(BATCH)]
    flat = [tree_flatten(layer.case.but(seed=seed).draw_inputs())[0] for seed in seeds]
    return [tuple(layer.cast(value) for value in values if isinstance(value, Tensor)) for values in flat]


@named(TRANSFORM_CHECKS)
def vmapped(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """``vmap`` of ``torch.func.grad`` over a batch of inputs gives what the reference gives one by one."""
    ours, theirs = pair(case, candidate, reference)
    batch = batch_of_inputs(ours)
    error = None
    for train in modes(case):
        try:
            vmap(gradient_of(theirs, train))(*map(torch.stack, zip(*batch, strict=True)))
            each = [gradient_of(theirs, train)(*inputs) for inputs in batch]
        except Exception:  # torch's own does not work like this
            continue
        expected = tree_map(lambda *tensors: torch.stack(tensors), *each)
        actual = vmap(gradient_of(ours, train))(*map(torch.stack, zip(*batch, strict=True)))
        where = f"{mode_name(train)} mode: gradient under vmap"
        error = max(error or 0.0, require_equal(actual, expected, where, TOLERANCE))
    return error


@named(TRANSFORM_CHECKS)
def batched_gradients(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """``torch.autograd.grad(is_grads_batched=True)``, which ``jacobian(vectorize=True)`` calls, gives for a batch of
    upstream gradients what it gives for each alone; and can be differentiated again."""
    ours, theirs = pair(case, candidate, reference)
    error = None
    for twice in (False, True) if case.second_order else (False,):
        try:
            expected = of_each_upstream(theirs, False, twice)
            of_each_upstream(theirs, True, twice)
        except Exception:  # torch's own does not work like this
            continue
        actual = of_each_upstream(ours, True, twice)
        where = "a batch of gradients, differentiated" if twice else "a batch of gradients"
        error = max(error or 0.0, require_equal(actual, expected, where, TOLERANCE))
    return error


def of_each_upstream(layer: Layer, batched: bool, twice: bool) -> dict[str, Tensor | None]:
    """The gradients for several upstream gradients, stacked; or the gradient of a sum of them with weights."""
    inputs, tensors = layer.draw()
    outputs = list(differentiable_leaves(layer(*mapped(Tensor.clone, inputs))).values())
    if not outputs:
        return {}
    generator = Generator().manual_seed(layer.case.seed + 3)
    upstream = [torch.stack([random(t, generator).to(t.dtype) for _ in range(BATCH)]) for t in outputs]

    def gradients(arriving: list[Tensor], **options: bool) -> tuple[Tensor | None, ...]:
        wanted = list(tensors.values())
        options |= {"retain_graph": True, "create_graph": twice, "allow_unused": True}
        return torch.autograd.grad(outputs, wanted, arriving, **options)

    found: tuple[Tensor | None, ...]
    if batched:
        found = gradients(upstream, is_grads_batched=True)
    else:
        each = [gradients([t[i] for t in upstream]) for i in range(BATCH)]
        found = tuple(None if g[0] is None else torch.stack([t.to_dense() for t in g]) for g in zip(*each, strict=True))
    if twice:
        weighted = [(g * random(g, generator)).sum() for g in found if g is not None and g.requires_grad]
        if not weighted:
            return {name: torch.zeros_like(t) for name, t in tensors.items()}
        total = torch.stack(weighted).sum().real
        found = torch.autograd.grad(total, list(tensors.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(tensors, found, strict=True))


@named(TRANSFORM_CHECKS)
def shapes_alone(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Tensors without numbers, on the meta device and under `FakeTensorMode`: types and shapes of the results and the
    gradients are the reference's."""
    found = None
    for convert, context in (on_meta(), fake()):
        sides = pair(case, candidate, reference)
        try:
            expected = traced(sides[1], convert, context)
        except Exception:  # torch's own does not work like this
            continue
        found = require_equal(traced(sides[0], convert, context), expected, "without numbers", 0.0)
    return found


Conversion = tuple[Callable[[Tensor], Tensor], Any]


def on_meta() -> Conversion:
    return lambda t: t.to("meta"), nullcontext()


def fake() -> Conversion:
    mode = FakeTensorMode()
    return mode.from_tensor, mode


def traced(layer: Layer, convert: Callable[[Tensor], Tensor], context: Any) -> dict[str, Any]:
    """Types and shapes of outputs and gradients."""
    inputs, _ = layer.draw()
    inputs = mapped(lambda t: convert(t.detach()).requires_grad_(t.requires_grad), inputs)
    if layer.module is not None:
        for module in layer.module.modules():
            for table in (module._parameters, module._buffers):
                for name, tensor in table.items():
                    if tensor is not None:
                        kind = type(tensor) if tensor.requires_grad else lambda t: t
                        table[name] = kind(convert(tensor.detach()))
    call = layer.case.draw_arguments()[2]
    with context:
        outputs = layer.module(*inputs, **mapped(lambda t: convert(layer.cast(t)), call)) if layer.module else None
        outputs = layer.function(*inputs) if outputs is None else outputs
        leaving = list(differentiable_leaves(outputs).values())
        wanted = [t for _, t in leaves(inputs, "") if isinstance(t, Tensor) and t.requires_grad]
        wanted += [] if layer.module is None else list(layer.module.parameters())
        gradients: Any = None
        if leaving:
            upstream = [torch.empty_like(t) for t in leaving]
            gradients = torch.autograd.grad(leaving, wanted, upstream, allow_unused=True)

    def told(value: Any) -> dict[str, Any]:
        return {path: (t.dtype, t.shape) if isinstance(t, Tensor) else None for path, t in leaves(value, "")}

    return {"outputs": told(outputs), "gradients": told(gradients)}


@named(TRANSFORM_CHECKS)
def checkpointed(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """``torch.utils.checkpoint``, which lets no saved tensor be read twice, changes no gradient."""
    ours, theirs = pair(case, candidate, reference)
    expected = run(ours).gradient
    for side in (theirs, ours):
        side.function = partial(checkpoint, side.function, use_reentrant=False)
    try:
        run(theirs)
    except Exception:  # torch's own does not work like this
        return None
    return require_equal(run(ours).gradient, expected, "under checkpointing: gradient", TOLERANCE)


@named(TRANSFORM_CHECKS)
def compiled(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """``torch.compile(fullgraph=True)`` changes neither outputs, also under ``no_grad``, nor gradients nor buffers."""
    ours, theirs = pair(case, candidate, reference)
    expected = run(theirs)
    for side in (theirs, ours):
        side.function = torch.compile(side.function, fullgraph=True, backend="aot_eager", dynamic=False)
    torch.compiler.reset()
    try:
        run(theirs)
    except Exception:  # torch's own does not work like this
        return None
    actual = run(ours)
    with torch.no_grad():
        silent = run(ours, upstream=None)
    require_equal(silent.output, expected.output, "compiled, under no_grad: output", TOLERANCE)
    return max(
        require_equal(getattr(actual, part), getattr(expected, part), f"compiled: {part}", TOLERANCE)
        for part in ("output", "gradient", "state")
    )


@named(TRANSFORM_CHECKS)
def autocast(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """The type of the result, gradients in the parameters' types, and no more rounding than the reference's;
    inputs in float32, and in autocast's type."""
    worst = None
    for inputs in (torch.float32, NARROW):
        ours, theirs = pair(case, candidate, reference, in_dtype(torch.float32, NARROW))
        truth = numbers(run(pair(case, candidate, reference, in_dtype(torch.float64, NARROW))[1]))
        try:
            expected = numbers(under_autocast(theirs, inputs))
        except RuntimeError:  # torch's own does not work like this
            continue
        actual = numbers(under_autocast(ours, inputs))
        require_equal(list(actual), list(expected), f"{inputs} inputs: tensors", 0.0)
        worst = worst or 0.0
        for path, tensor in actual.items():
            narrow = case.name in RECURRENT and path.startswith("output")
            require_equal(tensor.dtype, NARROW if narrow else expected[path].dtype, f"{inputs} inputs: {path}", 0.0)
            if case.bfloat16 and torch.isfinite(truth[path]).all():
                error, theirs_is = (relative_error(t, truth[path], floor=1.0) for t in (tensor, expected[path]))
                if not error <= max(2 * theirs_is, 4 * torch.finfo(NARROW).eps):
                    raise Mismatch(f"{path}: relative error {error:.2g}, the reference's own {theirs_is:.2g}", error)
                worst = max(worst, error)
    return worst


def under_autocast(layer: Layer, inputs: torch.dtype) -> Outcome:
    """Parameters in float32, inputs as they come out of the layer before: in float32 or in autocast's type."""
    plain = layer.function

    def function(*values: Any) -> Any:
        values = mapped(lambda t: t.to(inputs) if t.dtype is torch.float32 else t, values)
        with torch.autocast("cpu", NARROW):
            return plain(*values)

    layer.function = function
    return run(layer)


def numbers(outcome: Outcome) -> dict[str, Tensor]:
    found = [*leaves(outcome.output, "output"), *leaves(outcome.gradient, "gradient")]
    return {path: t.to_dense() for path, t in found if isinstance(t, Tensor) and t.is_floating_point()}
