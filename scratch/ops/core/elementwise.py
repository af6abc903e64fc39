"""The base of functions that act on each number alone: y = f(x).

Tangent:    ẏ = f′(x) ẋ       (1)
Adjoint:    x̄ = ȳ f′(x)       (2)     the Jacobian is diagonal, hence its own transpose

A subclass is its two lines of mathematics, ``value(x, *options)`` and ``derivative(saved, *options)``, each of
which makes a new tensor.
Saved:      the attribute ``saved`` says of what f′ is a function: "y" where it can be had from the output
            (tanh: 1 − y²), and then the output is all that is kept; else "x".
Pieces:     f′ may be boolean, and then x̄ is ȳ where f′ is true and 0 elsewhere, whatever ȳ is.
Options:    numbers after x, such as a slope; they get no gradient.
Fast form:  ``pullback(grad, saved, *options)`` is (2) in fewer or quicker passes over memory, and may work in place.
            It runs where `in_place` allows; else ``derivative`` does, and where a subclass has no other form.
In parts:   with ``parts = True`` a very large tensor is treated in parts, which stay in the processor's cache from the
            first pass to the last: for functions of many passes.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import NARROW, widen
from scratch.ops.core.function import Function, in_place


class Elementwise(Function):
    saved: str = "x"
    parts: bool = False
    value: Any
    derivative: Any = None
    pullback: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Closures, because torch.compile follows them and refuses attributes of a Function's class.
        keep_output, value, derivative = cls.saved == "y", cls.value, cls.derivative
        whole_or_parts = in_parts if cls.parts else at_once

        def product(grad, saved, *options):
            return times(derivative(saved, *options), grad)  # (2)

        fast, recorded = cls.pullback or product, product if derivative else cls.pullback

        def forward(x, *options):
            def y(x):
                return value(x.float(), *options).to(x.dtype) if x.dtype in NARROW else value(x, *options)

            return whole_or_parts(y, x)

        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output if keep_output else inputs[0])
            ctx.options = inputs[1:]

        def backward(ctx, grad):
            pullback, options = fast if in_place(grad) else recorded, ctx.options

            def grad_x(grad, saved):
                return pullback(widen(grad), widen(saved), *options).to(grad.dtype)

            return whole_or_parts(grad_x, grad, *ctx.saved_tensors), *(None for _ in options)

        forward.__signature__ = inspect.signature(value)  # type: ignore[attr-defined]  # as torch.compile counts
        for method in (forward, setup_context, backward):
            setattr(cls, method.__name__, staticmethod(method))
        super().__init_subclass__(**kwargs)


LARGE = 2**22  # numbers from which on parts pay
PART = 2**16  # numbers at a time, for each thread


def at_once(f: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    return f(*tensors)


def in_parts(f: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """f of the tensors, part by part where they are large, of one type and lie alike in the memory of a CPU."""
    x = tensors[0]
    if x.numel() < LARGE or not (x.is_cpu and x.is_floating_point() and in_place(x)):
        return f(*tensors)
    if not all(t.is_contiguous() and t.dtype is x.dtype for t in tensors):
        return f(*tensors)
    out, size = torch.empty_like(x), PART * torch.get_num_threads()
    for part, *parts in zip(out.view(-1).split(size), *(t.view(-1).split(size) for t in tensors), strict=True):
        part.copy_(f(*parts))
    return out


def times(slope: Tensor, grad: Tensor) -> Tensor:
    """f′ ȳ, where it may be in the memory of f′."""
    if slope.dtype is torch.bool:
        return torch.where(slope, grad, 0)
    return slope.mul_(grad) if in_place(grad) else slope * grad


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
