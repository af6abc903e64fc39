"""What a torch.autograd.Function needs beyond a jvp: for the tangent of a tangent, and for a tangent over vmap.

Torch's own machinery goes wrong there, as seen with torch 2.11 to 2.14, and what is here makes up for it:

    the tangent of a tangent, such as jvp of jvp, is 0    forward mode is off in a jvp             `differentiable`
    inputs in a jvp are dual numbers                      and their tangents would count twice     `primal`
    a jvp over vmap fails with a tuple among the inputs   it takes the tuple apart, and miscounts  `packed`
    and with an output that is not differentiable         vmap forgets that it is not              `fixed`
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, maybe_get_bdim, maybe_get_level
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
from torch.autograd import forward_ad


def differentiable(jvp: Callable[..., Any]) -> Callable[..., Any]:
    """A Function's jvp with forward mode switched on."""

    def run(*arguments):
        with forward_ad._set_fwd_grad_enabled(True):
            return jvp(*arguments)

    return run


def primal(x: Any) -> Any:
    """Without the tangent that it has at this level of forward mode."""
    if not isinstance(x, Tensor) or not (x.is_floating_point() or x.is_complex()):
        return x
    if not is_batchedtensor(x):
        return forward_ad.unpack_dual(x).primal
    inside, dim, level = get_unwrapped(x), maybe_get_bdim(x), maybe_get_level(x)  # vmap has no rule for unpack_dual
    with retrieve_current_functorch_interpreter().lower():
        return torch._C._functorch._add_batch_dim(primal(inside), dim, level)


def fixed(ctx: Any, i: int, some: Tensor) -> Tensor | None:
    """The tangent of an output that is not differentiable: none, but zeros for a batch of numbers, of which torch
    forgets that it is not."""
    shape, dtype, batch = ctx.shapes[i], ctx.dtypes[i], ctx.batches[i]
    return some.new_zeros(shape, dtype=dtype) if batch and dtype.is_floating_point else None


class Option:
    """A tuple or a list as one argument."""

    def __init__(self, value: Any) -> None:
        self.value = value


def packed(x: Any) -> Any:
    return Option(x) if isinstance(x, tuple | list) else x


def unpacked(x: Any) -> Any:
    return x.value if isinstance(x, Option) else x


def dual_form(op: Any, jvp: Callable[..., Any]) -> type[torch.autograd.Function]:
    """The same with a jvp, under torch.func and in forward mode. Apart, since torch.compile refuses a Function with
    a jvp."""
    textbook_forward, textbook_setup = op.forward, op.setup_context

    def forward(*inputs):
        return textbook_forward(*map(unpacked, inputs))

    def setup_context(ctx, inputs, output):
        textbook_setup(ctx, [*map(unpacked, inputs)], output)

    def apply(*inputs):  # where the last transform has been taken off
        return op.apply(*map(unpacked, inputs))

    made = {"forward": forward, "setup_context": setup_context, "apply": apply}
    return type(op.__name__, (op,), {name: staticmethod(function) for name, function in made.items()} | {"jvp": jvp})
