"""The base class of every hand-written op: three formulas, and the ways they are run.

A page states an op by pure functions in the symbols of its docstring:

    class SoftmaxFn(Function):
        def value(x, dim):                    y from the inputs
        def tangent(x_dot, y, dim):           ẏ from a small change ẋ of the inputs
        def adjoint(y_bar, y, dim):           x̄ from the gradient ȳ of the output

A signature says what a formula depends on, and so what is saved: ``x_dot`` is the tangent of the input x, ``y_bar`` the
gradient of the output y; any other name is an input or an output. The parameters of ``value`` are the inputs. Those
with a ``_dot`` in ``tangent`` are differentiable, and ``adjoint`` returns a gradient for each of them, in their order.
``outputs`` names the outputs; one without a ``_bar`` in ``adjoint``, such as an index, is not differentiable. Those
that callers drop, because they are there for the formulas only, are named in ``dropped`` too: their gradient is 0, the
number, but for second derivatives, and they are not rounded to sixteen bits.

Around the formulas, which know nothing of it, this class

    computes in float32 what comes in sixteen bits, and rounds once, at the end (unless ``wide`` is False);
    takes 0 for the tangent of an input that has none;
    gives each gradient the dtype of its input and, where that was broadcast, its shape, by (2) of broadcast.py;
    drops the gradients that nobody asked for;
    conjugates complex gradients on their way in and out. Where ẏ = J ẋ, torch's x̄ is Jᴴ ȳ, the conjugate of Jᵀ times
    the conjugate of ȳ; pages are written with Jᵀ, as for real numbers;
    takes batches of upstream gradients, from ``torch.autograd.grad(is_grads_batched=True)``, through torch.func.vmap.

The formulas can be recorded, batched and compiled, so they are what runs in second derivatives, under torch.func,
torch.compile and torch.export, and on tensors without memory of their own. Elsewhere `forms.py` chooses between them
and a fast form, which an op may have beside them for CPUs, where it was measured:

        def fast_value(x, dim):               the outputs, then the tensors that ``keeps`` names, for the backward pass
        def fast_adjoint(needs, y_bar, y, …): the gradients; ``needs`` says for each whether it is asked for

which may look at numbers, and write into tensors that they made; and the formulas compiled, where ``layouts`` says how
their tensors are read (`compiler.py`).
"""

import warnings
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.compiler import Kernel, ran, read_layouts
from scratch.ops.core.dtype import NARROW, widen
from scratch.ops.core.forms import FORM
from scratch.ops.core.forward_mode import differentiable, dual_form, fixed, packed, primal


def values_known() -> bool:
    """Whether a program may look at numbers: not while it is compiled, nor under a transform such as vmap."""
    transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return not transformed and torch._C._get_tracing_state() is None


def numbers_known(x: Tensor) -> bool:
    """Whether it may look at those of x: a tensor on the meta device, or a fake one, has a shape and a type only."""
    return values_known() and not (x.is_meta or isinstance(x, FakeTensor))


def at_hand(x: Tensor) -> bool:
    """Whether it costs nothing to look at them: for those on a GPU the host would wait until all is computed that was
    asked for before. What only guards against wrong indices is left to the GPU's own assertions there, as by torch."""
    return numbers_known(x) and x.is_cpu


def in_place() -> bool:
    """Whether a backward may write over the tensors it made: not while it is recorded for a second derivative,
    nor compiled, nor while vmap batches the upstream gradient but not what was saved."""
    return not torch.is_grad_enabled() and values_known()


class Function(torch.autograd.Function):
    generate_vmap_rule = True
    outputs: tuple[str, ...] = ("y",)
    keeps: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    wide = True
    termwise = False  # tangent takes 0, the number, for an input without one: its term is left out, though f_x be ∞
    fast_value: Callable[..., Any] | None = None
    fast_adjoint: Callable[..., Any] | None = None
    layouts: str = ""
    direct: type[torch.autograd.Function]
    dual: type[torch.autograd.Function]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "adjoint" in vars(cls):
            places = places_of(cls)
            forward, setup_context, backward, jvp = map(staticmethod, textbook_form(cls, places))
            cls.forward, cls.setup_context, cls.backward = forward, setup_context, backward  # type: ignore[method-assign]
            cls.dual = dual_form(cls, jvp)
            cls.direct = direct_form(cls, places)

    @staticmethod
    def result_dtype(*inputs: Any) -> torch.dtype:
        """The dtype of the outputs, where an input has sixteen bits."""
        return inputs[0].dtype

    @staticmethod
    def fast_if(*inputs: Any) -> bool:
        """Whether the fast form is for these inputs."""
        return True

    @staticmethod
    def compiled_if(*inputs: Any) -> bool:
        """Whether the compiled form is for these inputs."""
        return True

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        if torch.compiler.is_compiling():
            return super().apply(*inputs)
        if torch._C._get_tracing_state() is not None:
            return traced(cls, inputs)
        if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
            note_textbook_form(FORM.get(), cls, "value", TRANSFORMED)
            return super(Function, cls.dual).apply(*map(packed, inputs))  # type: ignore[misc]
        return cls.direct.apply(*inputs)


class Places(NamedTuple):
    """What the signatures of an op say, as places in lists of names."""

    inputs: int  # how many
    outputs: int
    varied: tuple[int, ...]  # the inputs that are differentiable
    constant: tuple[int, ...]  # the outputs that are not
    dropped: tuple[int, ...]  # those that callers drop
    saved: tuple[int, ...]  # of inputs, outputs and keeps, what the formulas need in a backward pass
    saved_fast: tuple[int, ...]  # and with them the fast form
    tangent: tuple[int, ...]  # the arguments of tangent, among all tangents and what was saved
    adjoint: tuple[int, ...]  # those of adjoint, among all gradients of outputs and what was saved
    recorded: tuple[int, ...]  # the same after a fast forward pass
    fast: tuple[int, ...]  # and those of fast_adjoint


def places_of(op: Any) -> Places:
    inputs = list(signature(op.value).parameters)
    tangent, adjoint = list(signature(op.tangent).parameters), list(signature(op.adjoint).parameters)
    fast = [] if op.fast_adjoint is None else list(signature(op.fast_adjoint).parameters)[1:]
    values = [*inputs, *op.outputs, *op.keeps]
    dots, bars = [f"{name}_dot" for name in inputs], [f"{name}_bar" for name in op.outputs]
    saved = [name for name in values if name in (*adjoint, *tangent)]
    saved_fast = [name for name in values if name in (*saved, *fast)]
    return Places(
        inputs=len(inputs),
        outputs=len(op.outputs),
        varied=tuple(i for i, dot in enumerate(dots) if dot in tangent),
        constant=tuple(i for i, bar in enumerate(bars) if bar not in adjoint),
        dropped=tuple(map(op.outputs.index, op.dropped)),
        saved=tuple(map(values.index, saved)),
        saved_fast=tuple(map(values.index, saved_fast)),
        tangent=tuple(map([*dots, *saved].index, tangent)),
        adjoint=tuple(map([*bars, *saved].index, adjoint)),
        recorded=tuple(map([*bars, *saved_fast].index, adjoint)),
        fast=tuple(map([*bars, *saved_fast].index, fast)),
    )


def textbook_form(op: Any, places: Places) -> tuple[Callable[..., Any], ...]:
    """forward, setup_context, backward and jvp of torch.autograd.Function, which run the formulas. They are closures:
    torch.compile follows these, and refuses attributes of the class."""
    value, tangent, adjoint, wide, result_dtype = op.value, op.tangent, op.adjoint, op.wide, op.result_dtype
    several, termwise = len(op.outputs) > 1, op.termwise

    def forward(*inputs):
        if not (wide and any(isinstance(x, Tensor) and x.dtype in NARROW for x in inputs)):
            return value(*inputs)
        found, dtype = value(*map(widened, inputs)), result_dtype(*inputs)
        if not several:
            return rounded(found, dtype)
        exact = (*places.constant, *places.dropped)
        return tuple(y if i in exact else rounded(y, dtype) for i, y in enumerate(found))

    def setup_context(ctx, inputs, output):
        save(ctx, places, places.saved, [*inputs, *output] if several else [*inputs, output])
        if termwise:
            ctx.set_materialize_grads(False)

    def backward(ctx, *bars):
        if all(bar is None for bar in bars):
            return (None,) * places.inputs
        arguments = [*map(conjugate, arrived(ctx, places, bars)), *loaded(ctx)]
        if wide:
            arguments = [*map(widened, arguments)]
        return fitted(ctx, places, adjoint(*[arguments[i] for i in places.adjoint]), arguments)

    @differentiable
    def jvp(ctx, *dots):
        if any(map(batched, dots)):
            found = for_each(lambda *dots: jvp(ctx, *dots) if several else (jvp(ctx, *dots),), dots)
            return found if several else found[0]
        some = next(dot for dot in dots if dot is not None)
        known = dict(zip(places.varied, ctx.like, strict=True))
        arguments = [
            dot if dot is not None else 0 if termwise else zero(known.get(i), some) for i, dot in enumerate(dots)
        ]
        arguments += map(primal, loaded(ctx))
        if wide:
            arguments = [*map(widened, arguments)]
        found = tangent(*[arguments[i] for i in places.tangent])
        moved = iter(found if isinstance(found, tuple) else (found,))
        dots = [
            fixed(ctx, i, some) if i in places.constant else rounded(next(moved), dtype)
            for i, dtype in enumerate(ctx.dtypes)
        ]
        return tuple(dots) if several else dots[0]

    forward.__signature__ = signature(value)  # type: ignore[attr-defined]  # as torch.compile counts
    return forward, setup_context, backward, jvp


def direct_form(op: Any, places: Places) -> type[torch.autograd.Function]:
    """The same in torch's older form, where one method does the work of forward and setup_context. It knows no
    torch.func, but a call takes 4 µs instead of 19: in the newer form each asks for forward's signature and binds the
    arguments to it. Here the fast and the compiled form run, where there are such.
    """
    textbook_forward, textbook_backward, adjoint, wide = op.forward, op.backward, op.adjoint, op.wide
    fast_value, fast_adjoint, fast_if, compiled_if = op.fast_value, op.fast_adjoint, op.fast_if, op.compiled_if
    has_fast_form = fast_value is not None or fast_adjoint is not None
    value_kernel, adjoint_kernel = kernels(op, places) if op.layouts else (None, None)
    count = len(op.outputs)

    def forward(ctx, *inputs):
        form = FORM.get()
        if not all(map(ordinary, inputs)):
            note_textbook_form(form, op, "value", "a tensor without memory of its own, or of another class")
            form = "plain"
        ctx.compiled = form == "compiled" and value_kernel is not None and compiled_if(*inputs)
        found = value_kernel(*inputs) if ctx.compiled else None
        ctx.compiled = found is not None
        ctx.fast = not ctx.compiled and form != "plain" and has_fast_form and inputs[0].is_cpu and fast_if(*inputs)
        ctx.form = form
        if found is None:
            found = fast_value(*inputs) if ctx.fast and fast_value is not None else textbook_forward(*inputs)
            found = found if isinstance(found, tuple) else (found,)
        found = [unbound(y, inputs) for y in found]
        save(ctx, places, places.saved_fast if ctx.fast else places.saved, [*inputs, *found])
        return tuple(found[:count]) if count > 1 else found[0]

    def backward(ctx, *bars):
        if any(map(batched, bars)):
            return for_each(partial(backward, ctx), bars)
        if not (ctx.fast or ctx.compiled) or all(bar is None for bar in bars):
            return textbook_backward(ctx, *bars)
        unrecorded = in_place()
        if not unrecorded:
            why = "a derivative is recorded" if torch.is_grad_enabled() else TRANSFORMED
            note_textbook_form(ctx.form, op, "adjoint", why)
        arguments = [*map(conjugate, arrived(ctx, places, bars)), *loaded(ctx)]
        if ctx.compiled and unrecorded:
            wanted = tuple(like is not None for like in ctx.like)
            arguments = [*map(contiguous, arguments[:count]), *arguments[count:]]
            found = adjoint_kernel(*[arguments[i] for i in places.adjoint], wanted=wanted)
            if found is not None:
                grads = iter(found)
                return fitted(ctx, places, tuple(next(grads) if want else None for want in wanted), arguments)
        simple = all(bars[i] is None for i in places.dropped)  # as in a first derivative
        if ctx.fast and fast_adjoint is not None and simple and unrecorded:
            needs = [ctx.needs_input_grad[i] for i in places.varied]
            token = FORM.set(ctx.form)
            try:
                return fitted(ctx, places, fast_adjoint(needs, *[arguments[i] for i in places.fast]), arguments)
            finally:
                FORM.reset(token)
        if not ctx.fast:
            return textbook_backward(ctx, *bars)
        if wide:
            arguments = [*map(widened, arguments)]
        return fitted(ctx, places, adjoint(*[arguments[i] for i in places.recorded]), arguments)

    return type(op.__name__, (torch.autograd.Function,), {"forward": forward, "backward": backward})


def kernels(op: Any, places: Places) -> tuple[Kernel, Kernel]:
    """The compiled forms of value and adjoint."""
    inputs, layouts = list(signature(op.value).parameters), read_layouts(op.layouts)
    layouts |= {f"{output}_bar": layouts[output] for output in op.outputs}
    returned = [layouts[output] for output in op.outputs], [layouts[inputs[i]] for i in places.varied]
    return (
        Kernel(op.value, layouts, returned[0], name=formula(op, "value"), page=op.__module__),
        Kernel(op.adjoint, layouts, returned[1], name=formula(op, "adjoint"), page=op.__module__),
    )


def formula(op: Any, which: str) -> str:
    """Its name, such as norm.layer_norm.LayerNormFn.value."""
    return f"{op.__module__}.{op.__name__}.{which}".removeprefix("scratch.ops.")


TRANSFORMED = "under a transform of torch.func, or in forward mode"


def note_textbook_form(form: str, op: Any, which: str, why: str) -> None:
    """Say in `compiler.ran` why a formula runs as it stands, where it was asked for compiled."""
    if form == "compiled":
        ran[formula(op, which), why] += 1


def ordinary(x: Any) -> bool:
    """Not a tensor that has no memory of its own: on the meta device, fake, or of another class."""
    return not isinstance(x, Tensor) or (type(x) in (Tensor, Parameter) and not x.is_meta)


def save(ctx: Any, places: Places, which: tuple[int, ...], values: list[Any]) -> None:
    """Keep these of the inputs, outputs and what was kept, and what is to be known of the others."""
    found = [values[i] for i in which]
    tensors = [x if isinstance(x, Tensor) else None for x in found]
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)
    ctx.options = [None if isinstance(x, Tensor) else x for x in found]
    ctx.like = [like(values[i]) for i in places.varied]
    outputs = values[places.inputs : places.inputs + places.outputs]
    ctx.dtypes = [y.dtype for y in outputs]
    if places.dropped or places.constant:
        ctx.shapes = [y.shape for y in outputs]
    if places.dropped:
        ctx.set_materialize_grads(False)
    if places.constant:
        ctx.batches = [*map(is_batchedtensor, outputs)]
        ctx.mark_non_differentiable(*[outputs[i] for i in places.constant])


def like(x: Any) -> tuple[torch.Size, torch.dtype, bool] | None:
    """What a gradient of x shares with it: its shape, its dtype, and whether it is contiguous."""
    return (x.shape, x.dtype, x.layout is torch.strided and x.is_contiguous()) if isinstance(x, Tensor) else None


def arrived(ctx: Any, places: Places, bars: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    """The gradients of the outputs: zeros for one that is missing, or 0 where its output was dropped."""
    if not places.dropped:
        return bars
    some = next(bar for bar in bars if bar is not None)
    made = zip(bars, ctx.shapes, ctx.dtypes, strict=True)
    return tuple(
        bar if bar is not None else 0 if i in places.dropped else some.new_zeros(shape, dtype=dtype)
        for i, (bar, shape, dtype) in enumerate(made)
    )


def loaded(ctx: Any) -> list[Any]:
    return [option if x is None else x for x, option in zip(ctx.saved_tensors, ctx.options, strict=True)]


def fitted(ctx: Any, places: Places, found: Any, arguments: list[Any]) -> tuple[Tensor | None, ...]:
    """The gradients as torch takes them: one for each input, in its dtype and shape, contiguous where it is (they are
    flattened by ``view``), and, while they are recorded, as functions of what was saved, even where they do not change
    with it."""
    recorded = torch.is_grad_enabled() and values_known()
    saved = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad] if recorded else []
    grads: list[Tensor | None] = [None] * places.inputs
    for i, grad, like in zip(places.varied, found if isinstance(found, tuple) else (found,), ctx.like, strict=True):
        if grad is not None and like is not None and ctx.needs_input_grad[i]:
            shape, dtype, dense = like
            grad = conjugate(grad) if dtype.is_complex or not grad.is_complex() else grad.real
            grad = unbroadcast(grad, shape)
            grad = grad if grad.dtype is dtype else grad.to(dtype)
            grad = grad.contiguous() if dense and not grad.is_sparse else grad
            grads[i] = ConstantFn.apply(grad, *saved) if saved and not grad.requires_grad else grad
    return tuple(grads)


class ConstantFn(torch.autograd.Function):
    """A gradient as a function of numbers on which it does not depend, as relu's on x: the second derivative is 0,
    and not an error."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, *saved: Tensor) -> Tensor:
        ctx.save_for_backward(*saved)
        return grad.view_as(grad)

    @staticmethod
    @differentiable
    def jvp(ctx: Any, grad_dot: Tensor | None, *saved_dots: Tensor | None) -> Tensor | None:
        return None if grad_dot is None else grad_dot.view_as(grad_dot)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, ...]:
        return upstream[0], *map(torch.zeros_like, ctx.saved_tensors)


def conjugate(x: Any) -> Any:
    return x.conj_physical() if isinstance(x, Tensor) and x.is_complex() else x


def contiguous(x: Any) -> Any:
    return x.contiguous() if isinstance(x, Tensor) else x


def zero(like: tuple[torch.Size, torch.dtype, bool] | None, some: Tensor) -> Any:
    return 0 if like is None else some.new_zeros(like[0], dtype=like[1])


def widened(x: Any) -> Any:
    return widen(x) if isinstance(x, Tensor) else x


def rounded(y: Tensor, dtype: torch.dtype) -> Tensor:
    return y.to(dtype) if y.is_floating_point() else y


Grads = tuple[Tensor | None, ...]


def batched(grad: Tensor | None) -> bool:
    return grad is not None and torch._C._functorch.is_legacy_batchedtensor(grad)


def for_each(backward: Callable[..., Grads], grads: Grads) -> Grads:
    """The backward of each upstream gradient of a batch, or the tangent of each tangent. Autograd batches them by an
    older kind of vmap, which knows few operations, and of a Function inside a recorded backward no derivative: that of
    today takes its place."""
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    dims = tuple(0 if batched(grad) else None for grad in grads)
    stacked: list[Any] = list(grads)
    for i, dim in enumerate(dims):
        if dim == 0:
            stacked[i] = torch._remove_batch_dim(stacked[i], level, 0, 0)
    given: list[bool] = []

    def tensors(*grads: Tensor | None) -> tuple[Tensor, ...]:
        found = backward(*grads)
        given[:] = [g is not None for g in found]
        return tuple(g for g in found if g is not None)

    found = iter(torch.func.vmap(tensors, dims)(*stacked))
    return tuple(torch._add_batch_dim(outermost(next(found)), 0, level) if each else None for each in given)


def outermost(stacked: Tensor) -> Tensor:
    """The same with its first dimension outermost in memory, as the older vmap wants a batch."""
    return stacked if stacked.stride(0) == max(stacked.stride()) else stacked.contiguous()


def unbound(output: Any, inputs: tuple[Any, ...]) -> Any:
    """The same numbers in the same memory, no longer known as a view of what ``forward`` made on its way, since
    autograd forbids to write into such an output, and so an activation with ``inplace=True`` behind it."""
    if not isinstance(output, Tensor) or not output._is_view():
        return output
    base = output._base
    if any(isinstance(x, Tensor) and base is (x._base if x._is_view() else x) for x in inputs):
        return output.clone()  # a new tensor, whoever writes into it
    return output.data


def traced(function: type[Function], args: tuple[Any, ...]) -> Any:
    """The operations of ``forward`` alone, for torch.jit.trace, whose programs know no other backward than torch's."""
    if torch.is_grad_enabled() and any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
        message = "backward passes in Python are not traced, the program is for inference: train the module itself"
        warnings.warn(message, torch.jit.TracerWarning, stacklevel=2)
    with torch.no_grad(), Traced():
        return function.forward(*[arg.detach() if isinstance(arg, Tensor) else arg for arg in args])


class Traced(TorchFunctionMode):
    """A context for torch.jit.trace, in which sizes are numbers, as plans are made for them, not tensors; but for that
    of the batch, which stays free."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not isinstance(result, torch.Size):
            return result
        state = torch._C._get_tracing_state()
        torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
        try:
            numbers = func(*args, **kwargs)
        finally:
            torch._C._set_tracing_state(state)  # type: ignore[attr-defined]
        return torch.Size((*result[:1], *numbers[1:]))
