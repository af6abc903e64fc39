"""The base class of every hand-written op."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def values_known() -> bool:
    """Whether a program may look at numbers: not while it is compiled, nor under a transform such as vmap."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())


def numbers_known(x: Tensor) -> bool:
    """Whether it may look at those of x: a tensor on the meta device, or a fake one, has a shape and a type only."""
    return values_known() and not (x.is_meta or isinstance(x, FakeTensor))


def in_place() -> bool:
    """Whether a backward may write over the tensors it made: not while it is recorded for a second derivative,
    nor compiled, nor while vmap batches the upstream gradient but not what was saved."""
    return not torch.is_grad_enabled() and values_known()


def known(shape: torch.Size) -> tuple[int, ...]:
    """A shape to make plans for, in which an unknown batch size, of a program exported for all of them, is 1."""
    return shape if isinstance(shape[0], int) else (1, *shape[1:])


class Function(torch.autograd.Function):
    """`torch.autograd.Function` in the form forward -> setup_context -> backward, vmap derived by PyTorch.

    Complex numbers: where ẏ = J ẋ, the gradient in PyTorch's convention is x̄ = Jᴴ ȳ, the conjugate of Jᵀ times the
    conjugate of ȳ. Pages are written with Jᵀ, as for real numbers: ``backward`` gets and gives conjugates.
    Batches: of upstream gradients, from ``torch.autograd.grad(is_grads_batched=True)``, go through ``torch.func.vmap``.

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
            cls.backward = staticmethod(called_as_written(cls.backward))  # type: ignore[method-assign]
            cls.direct = directly(cls)

    @classmethod
    def apply(cls, *args: Any) -> Any:
        return cls.direct.apply(*args) if values_known() else super().apply(*args)


Grads = tuple[Tensor | None, ...]


def called_as_written(backward: Callable[..., Any]) -> Callable[..., Grads]:
    """What autograd calls in its place: for complex numbers between conjugates, for batches under vmap."""

    def called(ctx: Any, *grads: Tensor | None) -> Grads:
        if values_known() and any(map(batched, grads)):
            return for_each(partial(called, ctx), grads)
        found = backward(ctx, *conjugates(grads))
        return conjugates(found if isinstance(found, tuple) else (found,))

    return called


def batched(grad: Tensor | None) -> bool:
    return grad is not None and torch._C._functorch.is_legacy_batchedtensor(grad)


def for_each(backward: Callable[..., Grads], grads: Grads) -> Grads:
    """The backward of each upstream gradient of a batch. Autograd batches them by an older kind of vmap, which knows
    few operations, and of a Function inside a recorded backward no derivative: that of today takes its place."""
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
    return tuple(torch._add_batch_dim(next(found), 0, level) if each else None for each in given)


def conjugates(grads: Grads) -> Grads:
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
    if not isinstance(output, Tensor) or not output._is_view():
        return output
    base = output._base
    if any(isinstance(x, Tensor) and base is (x._base if x._is_view() else x) for x in inputs):
        return output.clone()  # a new tensor, whoever writes into it
    return output.data
