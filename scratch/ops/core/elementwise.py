"""The base of functions that act on each number alone: y = f(x).

Tangent:    ẏ = f′ ẋ       (1)
Adjoint:    x̄ = f′ ȳ       (2)     the Jacobian is diagonal, hence its own transpose

An op is its two lines of mathematics:

    class SigmoidFn(Elementwise):
        def value(x):             y; numbers after x, such as a slope, are options and get no gradient
        def derivative(y):        f′, a function of x or, if its parameter is called y, of y: then only y is kept

f′ may be boolean, and then x̄ is ȳ where f′ is true and 0 elsewhere, whatever ȳ is.

Fast form:  ``fast_value(x, …)`` and ``pullback(y_bar, x, …)`` are y and (2) in fewer or quicker passes over memory, and
            may write into what they made. With ``parts = True`` a very large tensor goes through them in parts, which
            stay in the processor's cache from the first pass to the last: for functions of many passes.
"""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import NARROW, widen
from scratch.ops.core.function import Function


class Elementwise(Function):
    parts: bool = False
    value: Any
    derivative: Any
    pullback: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "value" in vars(cls):
            state_formulas(cls)
        super().__init_subclass__(**kwargs)


def state_formulas(op: Any) -> None:
    """tangent and adjoint of an op, and its fast form, from its derivative."""
    value, derivative = op.value, op.derivative
    x, *options = signature(value).parameters
    argument, *_ = signature(derivative).parameters

    def tangent(x_dot, s, *options):
        return times(derivative(s, *options), x_dot)  # (1)

    def adjoint(y_bar, s, *options):
        return times(derivative(s, *options), y_bar)  # (2)

    tangent.__signature__ = named(f"{x}_dot", argument, *options)  # type: ignore[attr-defined]
    adjoint.__signature__ = named("y_bar", argument, *options)  # type: ignore[attr-defined]
    op.tangent, op.adjoint = staticmethod(tangent), staticmethod(adjoint)
    if op.fast_value is not None or op.parts or op.pullback is not None:
        op.fast_value, op.fast_adjoint = map(staticmethod, fast_form(op, op.fast_value or value, argument, options))


def named(*names: str) -> Signature:
    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])


def times(slope: Tensor, change: Tensor) -> Tensor:
    """f′ ẋ or f′ ȳ."""
    return torch.where(slope, change, 0) if slope.dtype is torch.bool else slope * change


def fast_form(op: Any, value: Any, argument: str, options: list[str]) -> tuple[Any, Any]:
    """fast_value and fast_adjoint of `Function`: part by part, and narrow numbers widened a part at a time."""
    pullback, derivative = op.pullback, op.derivative
    whole_or_parts = in_parts if op.parts else at_once

    def fast_value(x, *options):
        def y(x):
            return value(x.float(), *options).to(x.dtype) if x.dtype in NARROW else value(x, *options)

        return whole_or_parts(y, x)

    def fast_adjoint(needs, y_bar, s, *options):
        def x_bar(y_bar, s):
            wide, s = widen(y_bar), widen(s)
            found = times_(derivative(s, *options), wide) if pullback is None else pullback(wide, s, *options)
            return found.to(y_bar.dtype)

        return whole_or_parts(x_bar, y_bar, s)

    fast_adjoint.__signature__ = named("needs", "y_bar", argument, *options)  # type: ignore[attr-defined]
    return fast_value, fast_adjoint


def times_(slope: Tensor, grad: Tensor) -> Tensor:
    """(2), in the memory of f′ where it can be."""
    return times(slope, grad) if slope.dtype is torch.bool else slope.mul_(grad)


LARGE = 2**20  # numbers from which on parts pay
PART = 2**16  # numbers at a time, for each thread


def at_once(f: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    return f(*tensors)


def in_parts(f: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """f of the tensors, part by part where they are large, of one type and lie alike in memory."""
    x = tensors[0]
    if x.numel() < LARGE or not x.is_floating_point():
        return f(*tensors)
    if not all(t.is_contiguous() and t.dtype is x.dtype for t in tensors):
        return f(*tensors)
    out, size = torch.empty_like(x), PART * torch.get_num_threads()
    for part, *parts in zip(out.view(-1).split(size), *(t.view(-1).split(size) for t in tensors), strict=True):
        part.copy_(f(*parts))
    return out


def where_not_0(y: Tensor, grad: Tensor) -> Tensor:
    """ȳ where y is not 0, else 0: also where ȳ is infinite, as below a square root, and 0 · ȳ would be NaN.

    A mask takes twenty times as long as arithmetic. So the factor, 0 or 1, multiplies the bits of ȳ read as an
    integer; it comes from the bits of |y|, an integer that is 0 for 0 and positive for all else.
    """
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[y.element_size()]
    return y.abs().view(bits).clamp_(max=1).mul_(grad.view(bits)).view(y.dtype)


def applied(fn: Any, x: Tensor, *options: float, inplace: bool) -> Tensor:
    """f(x), in the place of x where asked for; then f works on a copy, which its derivative may need."""
    return inplace_on(x, fn.apply(x.clone(), *options)) if inplace else fn.apply(x, *options)


def inplace_on(x: Tensor, y: Tensor) -> Tensor:
    """What ``inplace=True`` means: x takes the values of y, and the gradient of y from then on."""
    return x.copy_(y)
