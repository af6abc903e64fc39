"""Activations that shrink: they take small numbers to 0, as the denoising of signals does.

Shapes:     x (…)   y (…)
Tangent:    ẏ = f′ ẋ                                                           (1)
Adjoint:    x̄ = f′ ȳ        see scratch/ops/core/elementwise.py                  (2)

hardshrink  y = x [|x| > λ]                      f′ = [|x| > λ]                  (3)
softshrink  y = x − min(max(x, −λ), λ)           f′ = [|x| > λ]                  (4)
tanhshrink  y = x − tanh x                       f′ = tanh² x                    (5)

softshrink is where λ |y| + ½ (y − x)² is least: the proximal step of a sum of absolute values.
Saved:      x.   Recomputed: tanh.
Kinks:      f′(±λ) is 0. NaN goes in, NaN comes out.
Errors:     NotImplementedError for integers (hardshrink, softshrink) and booleans, RuntimeError for softshrink with
            λ < 0.
Reference:  torch.nn.functional.hardshrink, softshrink, tanhshrink. Differs: nothing.
Source:     Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage (1994).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import need_floating
from scratch.ops.core.elementwise import Elementwise, where_not_0


class HardshrinkFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x, lambd):
        return torch.where(x.abs() <= lambd, 0, x)  # (3)

    @staticmethod
    def derivative(x, lambd):
        return (x.abs() <= lambd).logical_not()

    @staticmethod
    def fast_value(x, lambd):
        return x.abs().gt_(lambd).mul_(x)

    @staticmethod
    def pullback(y_bar, x, lambd):
        return where_not_0(x.abs().le_(lambd).sub_(1), y_bar)


class SoftshrinkFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x, lambd):
        return x - x.clamp(-lambd, lambd)  # (4)

    @staticmethod
    def derivative(x, lambd):
        return (x.abs() <= lambd).logical_not()

    @staticmethod
    def pullback(y_bar, x, lambd):
        return where_not_0(x - x.clamp(-lambd, lambd), y_bar)


class TanhshrinkFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return x - x.tanh()

    @staticmethod
    def derivative(x):
        t = x.tanh()
        return t * t  # (5)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    need_floating(input.dtype, "hardshrink")
    return HardshrinkFn.apply(input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and no further."""
    need_floating(input.dtype, "softshrink")
    if lambd < 0:
        raise RuntimeError(f"lambd must be at least 0, but is {lambd}")
    return SoftshrinkFn.apply(input, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh x."""
    if input.dtype is torch.bool:
        raise NotImplementedError("tanhshrink is not defined for booleans")
    return TanhshrinkFn.apply(input)
