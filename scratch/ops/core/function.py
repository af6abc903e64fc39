"""The base class of every hand-written op."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode


def values_known() -> bool:
    """Whether a program may look at numbers: not while it is compiled, nor under a transform such as vmap."""
    transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return not transformed and torch._C._get_tracing_state() is None


def numbers_known(x: Tensor) -> bool:
    """Whether it may look at those of x: a tensor on the meta device, or a fake one, has a shape and a type only."""
    return values_known() and not (x.is_meta or isinstance(x, FakeTensor))


def in_place(grad: Tensor) -> bool:
    """Whether a backward may write over the tensors it made: not while it is recorded for a second derivative,
    nor compiled, nor while vmap batches the upstream gradient but not what was saved."""
    if torch.is_grad_enabled() or not values_known():
        return False
    return not torch._C._functorch.is_legacy_batchedtensor(grad)  # from torch.autograd.grad(is_grads_batched=True)


def known(shape: torch.Size) -> tuple[int, ...]:
    """A shape to make plans for, in which an unknown batch size, of a program exported for all of them, is 1."""
    return shape if isinstance(shape[0], int) else (1, *shape[1:])


class Function(torch.autograd.Function):
    """`torch.autograd.Function` in the form forward -> setup_context -> backward, vmap derived by PyTorch.

    Complex numbers: where ẏ = J ẋ, the gradient in PyTorch's convention is x̄ = Jᴴ ȳ, the conjugate of Jᵀ times the
    conjugate of ȳ. Pages are written with Jᵀ, as for real numbers: ``backward`` gets and gives conjugates.

    Rules that every subclass keeps:

    * ``forward`` computes on plain tensors; nothing in it is recorded.
    * ``setup_context`` saves inputs and outputs only. Any other tensor of the forward pass saved here would be a
      constant to a second differentiation, and give a wrong second derivative in silence.
    * ``backward`` is differentiable: built from recorded operations on what was saved. Where a faster in-place
      form exists it runs when `in_place` says so, as in every ordinary backward pass.
    """

    generate_vmap_rule = True
    direct: type[torch.autograd.Function]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls):
            cls.backward = staticmethod(between_conjugates(cls.backward))  # type: ignore[method-assign]
            cls.direct = directly(cls)

    @classmethod
    def apply(cls, *args: Any) -> Any:
        if torch._C._get_tracing_state() is not None:
            return traced(cls, args)
        return cls.direct.apply(*args) if values_known() else super().apply(*args)


def between_conjugates(backward: Callable[..., Any]) -> Callable[..., Any]:
    def conjugated(ctx: Any, *grads: Any) -> Any:
        found = backward(ctx, *conjugates(grads))
        return conjugates(found if isinstance(found, tuple) else (found,))

    return conjugated


def conjugates(grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """The same, if all are real."""
    for grad in grads:
        if grad is not None and grad.is_complex():
            return tuple(grad if grad is None else grad.conj_physical() for grad in grads)
    return grads


def directly(function: type[Function]) -> type[torch.autograd.Function]:
    """The same in torch's older form, where one method does the work of forward and setup_context. It knows no
    torch.func, but a call takes 4 µs instead of 19: in the newer form each asks for forward's signature and binds the
    arguments to it.
    """

    def forward(ctx: Any, *inputs: Any) -> Any:
        output = function.forward(*inputs)
        output = tuple(unbound(o, inputs) for o in output) if isinstance(output, tuple) else unbound(output, inputs)
        function.setup_context(ctx, inputs, output)
        return output

    methods = {"forward": staticmethod(forward), "backward": staticmethod(function.backward)}
    return type(function.__name__, (torch.autograd.Function,), methods)


def unbound(output: Any, inputs: tuple[Any, ...]) -> Any:
    """The same numbers in the same memory, no longer known as a view of what ``forward`` made on its way, since
    autograd forbids to write into such an output, and so an activation with ``inplace=True`` behind it."""
    if not isinstance(output, Tensor) or not output._is_view() or torch._C._functorch.is_legacy_batchedtensor(output):
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
