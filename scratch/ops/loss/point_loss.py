"""The base of losses that compare numbers one by one: ℓ = f(x, t, …), each input broadcast to the others.

Tangent:    ℓ̇ = Σ f_x ẋ over the inputs x, then L̇ as in reduction.py      (1)
Adjoint:    x̄ = f_x ℓ̄, with ℓ̄ from L̄ as there                             (2)

A loss is two lines of mathematics on its inputs and options:

    class MSELossFn(PointLoss):
        def loss(x, t):               ℓ
        def derivatives(x, t):        f_x, f_t

from which value, tangent and adjoint follow, with the reduction as their last argument. ``tensors`` counts the
parameters that are tensors; the last ``constants`` of these get no gradient, and ``derivatives`` leaves them out. A
loss ``of_difference`` is a function of x − t: ``derivatives`` is f_x alone, and f_t = −f_x. Whole numbers reach the
derivatives in the type of ℓ̄.

Fast form:  x̄ only where it is asked for, written over the f_x that was made for it; ``fast_loss`` and
            ``fast_derivatives`` are ℓ and f_x in fewer passes.
"""

import math
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import continuous, widen
from scratch.ops.core.elementwise import named
from scratch.ops.core.function import Function
from scratch.ops.loss.reduction import WeightedReduceFn, reduce, reduce_adjoint


class PointLoss(Function):
    outputs = ("L",)
    termwise = True
    tensors = 2
    constants = 0
    of_difference = False
    loss: Callable[..., Tensor]
    derivatives: Callable[..., Any]
    fast_loss: Callable[..., Tensor] | None = None
    fast_derivatives: Callable[..., Any] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "loss" in vars(cls):
            state_formulas(cls)
        super().__init_subclass__(**kwargs)


def state_formulas(op: Any) -> None:
    """value, tangent and adjoint of a loss, and its fast form."""
    loss, stated, number, of_difference = op.loss, op.derivatives, op.tensors, op.of_difference
    fast_loss, fast_derivatives = op.fast_loss, op.fast_derivatives or stated
    names, varied = [*signature(loss).parameters, "reduction"], number - op.constants

    def derivatives(*arguments):
        found = stated(*arguments)
        return (found, -found) if of_difference else found

    def value(*inputs):
        *arguments, reduction = inputs
        return reduce(loss(*arguments), reduction)

    def tangent(*given):
        dots, (*arguments, reduction) = given[:varied], given[varied:]
        some = next(dot for dot in dots if isinstance(dot, Tensor))
        slopes = derivatives(*like(some, arguments, number))
        ell_dot = sum(slope * dot for slope, dot in zip(slopes, dots, strict=True) if isinstance(dot, Tensor))  # (1)
        return reduce(ell_dot.real if ell_dot.is_complex() else ell_dot, reduction)

    def adjoint(L_bar, *inputs):
        *arguments, reduction = inputs
        shape = shape_of(arguments[:number])
        ell_bar = reduce_adjoint(L_bar, reduction, math.prod(shape))  # numel() would fix the sizes in a compiled form
        slopes = derivatives(*like(L_bar, arguments, number))
        return tuple((slope * ell_bar).expand(shape) for slope in slopes)  # (2)

    def fast_value(*inputs):
        *arguments, reduction = inputs
        wide = [widen(x) if isinstance(x, Tensor) else x for x in arguments]
        found, dtype = reduce(fast_loss(*wide), reduction), result_dtype(*inputs)
        return found.to(dtype) if dtype in (torch.float16, torch.bfloat16) else found

    def fast_adjoint(needs, L_bar, *inputs):
        *arguments, reduction = inputs
        shape, L_bar = shape_of(arguments[:number]), widen(L_bar)
        ell_bar = reduce_adjoint(L_bar, reduction, math.prod(shape))
        slopes = fast_derivatives(*(widen(x) if isinstance(x, Tensor) else x for x in like(L_bar, arguments, number)))
        if of_difference:
            x_bar = times_(slopes, ell_bar)
            return x_bar, -x_bar if needs[1] else None
        found = zip(slopes, needs, strict=True)
        return tuple(times_(slope, ell_bar).expand(shape) if need else None for slope, need in found)

    def result_dtype(*inputs):
        dtype, *others = (x.dtype for x in inputs[:number] if x is not None)
        for other in others:
            dtype = torch.promote_types(dtype, other)
        return dtype

    value.__signature__ = named(*names)  # type: ignore[attr-defined]
    tangent.__signature__ = named(*(f"{x}_dot" for x in names[:varied]), *names)  # type: ignore[attr-defined]
    adjoint.__signature__ = named("L_bar", *names)  # type: ignore[attr-defined]
    fast_adjoint.__signature__ = named("needs", "L_bar", *names)  # type: ignore[attr-defined]
    op.value, op.tangent, op.adjoint, op.fast_adjoint, op.result_dtype = map(
        staticmethod, (value, tangent, adjoint, fast_adjoint, result_dtype)
    )
    op.compiled_if = staticmethod(lambda *inputs: inputs[-1] != "none")
    if fast_loss is not None:
        op.fast_value = staticmethod(fast_value)


def like(bar: Tensor, arguments: Any, number: int) -> list[Any]:
    """The same, with tensors of whole numbers in the type of a gradient or tangent."""
    if all(x is None or continuous(x) for x in arguments[:number]):
        return arguments
    tensors = [x if x is None or continuous(x) else x.to(bar.dtype) for x in arguments[:number]]
    return [*tensors, *arguments[number:]]


def shape_of(tensors: Any) -> torch.Size:
    shape, *others = (t.shape for t in tensors if t is not None)
    return shape if all(other == shape for other in others) else torch.broadcast_shapes(shape, *others)


def times_(slope: Tensor, ell_bar: Tensor) -> Tensor:
    """(2), in the memory of f_x where that has the type and shape."""
    return slope.mul_(ell_bar) if ell_bar.dim() == 0 and slope.dtype is ell_bar.dtype else slope * ell_bar


def weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """w ℓ, its sum or its plain mean."""
    return reduce(WeightedReduceFn.apply(loss, weight, "none"), reduction)
