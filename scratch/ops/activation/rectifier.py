"""Activations that rectify: x where it is positive, and little or nothing of it where it is not.

Shapes:     x (…)   y (…)
Tangent:    ẏ = f′ ẋ                                                           (1)
Adjoint:    x̄ = f′ ȳ        see scratch/ops/core/elementwise.py                  (2)

relu        y = max(x, 0)                        f′ = [x > 0]                    (3)
leaky_relu  y = x where x > 0, else sx           f′ = 1,  s                      (4)
rrelu       leaky_relu with s drawn anew from U(lower, upper) for each x ≤ 0, outside training s their mean
elu         y = x where x > 0, else α (eˣ − 1)   f′ = 1,  α eˣ                   (5)
celu        y = x where x > 0, else α (e^(x/α) − 1)   f′ = 1,  e^(x/α)           (6)
selu        y = λ elu(x), with the λ and α below                                 (7)
threshold   y = x where x > θ, else v            f′ = [x > θ]                    (8)

elu, celu and selu are one function, s · x and s α (e^ix − 1) of slopes s and s α i e^ix. selu's λ and α are those for
which numbers of mean 0 and variance 1 keep both from layer to layer. relu6 is hardtanh from 0 to 6.

Saved:      the output where f′ is a function of it (relu), else the input.   Recomputed: eˣ.
Kinks:      f′(0) is that of the negative side: 0 for relu, s for leaky_relu, α for elu; f′(θ) is 0. NaN goes in, NaN
            comes out.
Random:     rrelu draws as PyTorch on the CPU, one number of double precision for each x ≤ 0 in the order of memory:
            equal values under an equal seed, except in compiled code, which draws one for each x.
Errors:     NotImplementedError for integers (but relu and threshold) and booleans; RuntimeError for celu with α = 0
            or rrelu with lower > upper.
Reference:  torch.nn.functional.relu, leaky_relu, rrelu, elu, celu, selu, threshold. Differs: leaky_relu and elu in
            place take any slope, PyTorch's none below 0; PyTorch's gradient of celu has 1/α in single precision.
Source:     Nair and Hinton, Rectified linear units (2010); Maas, Hannun and Ng, Rectifier nonlinearities (2013);
            Xu, Wang, Chen and Li, Empirical evaluation of rectified activations (2015), for rrelu; Clevert,
            Unterthiner and Hochreiter, Exponential linear units (2016); Barron, Continuously differentiable
            exponential linear units (2017); Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural
            networks (2017).
"""

import torch
from torch import Tensor

from scratch.ops.activation.sigmoid import hardtanh
from scratch.ops.core.dtype import need_floating
from scratch.ops.core.elementwise import Elementwise, applied, inplace_on, where_not_0
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import at_hand
from scratch.ops.dropout import DropoutFn


class ReLUFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return x.clamp_min(0)

    @staticmethod
    def derivative(y):
        return (y <= 0).logical_not()  # (3)

    @staticmethod
    def pullback(y_bar, y):
        return where_not_0(y, y_bar)


class LeakyReLUFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x, s):
        return torch.where(x > 0, x, s * x)

    @staticmethod
    def derivative(x, s):
        return torch.where(x > 0, 1, s * torch.ones_like(x))  # (4)

    @staticmethod
    def fast_if(x, s):
        return s != 0  # 0 · ∞ would be NaN

    @staticmethod
    def fast_value(x, s):
        return (x * s).clamp_(min=x) if s <= 1 else (x * s).clamp_(max=x)

    @staticmethod
    def pullback(y_bar, x, s):
        slope = x.sign()
        slope = slope.clamp_(min=s) if 0 <= s <= 1 else slope.clamp_(min=0).mul_(1 - s).add_(s)
        return slope.mul_(y_bar)


class ELUFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x, alpha, scale, rate):
        return scale * x.clamp_min(0) + scale * alpha * (x.clamp_max(0) * rate).expm1()

    @staticmethod
    def derivative(x, alpha, scale, rate):
        below = torch.where(x < 0, x, 0)  # its slope at 0 is 0, which that of clamp is not in every version
        falling = scale * alpha * rate * (below * rate).exp()
        return torch.where(x <= 0, falling, scale)  # (5), (6), (7)

    @staticmethod
    def fast_value(x, alpha, scale, rate):
        return x.clamp_max(0).mul_(rate).expm1_().mul_(alpha * scale).add_(x.clamp_min(0), alpha=scale)

    @staticmethod
    def pullback(y_bar, x, alpha, scale, rate):
        steepest = scale * alpha * rate  # of the falling side; its slope at 0
        slope = x.clamp_max(0).nan_to_num_(0).mul_(rate * LOG2_E).exp2_().mul_(steepest)
        if steepest != scale:
            slope.add_(torch.le(x, 0, out=torch.empty_like(x)).sub_(1), alpha=steepest - scale)  # where x > 0
        return slope.mul_(y_bar)


LAMBDA, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


class ThresholdFn(Elementwise):  # (1), (2)
    @staticmethod
    def value(x, theta, v):
        return torch.where(x <= theta, x.new_full((), v), x)  # v in the type of x, whole numbers too

    @staticmethod
    def derivative(x, theta, v):
        return (x <= theta).logical_not()  # (8)

    @staticmethod
    def pullback(y_bar, x, theta, v):
        return where_not_0(torch.le(x, theta, out=torch.empty_like(x)).sub_(1), y_bar)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), with slope 0 at 0."""
    if input.dtype is torch.bool:
        raise NotImplementedError("relu is not defined for booleans")
    output = ReLUFn.apply(input)
    return inplace_on(input, output) if inplace else output


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    need_floating(input.dtype, "leaky_relu")
    return applied(LeakyReLUFn, input, negative_slope, inplace=inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x held between 0 and 6."""
    return hardtanh(input, 0, 6, inplace)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where x > 0, else x times a random slope, or times the mean of lower and upper."""
    need_floating(input.dtype, "rrelu")
    if not lower <= upper:
        raise RuntimeError(f"lower {lower} must be less than or equal to upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    negative = input <= 0
    count = int(negative.sum()) if at_hand(input) else input.numel()
    drawn = torch.empty(count, dtype=torch.float64, device=input.device).uniform_(lower, upper)
    slope = torch.ones_like(input, memory_format=torch.contiguous_format).masked_scatter_(
        negative, drawn.to(input.dtype)
    )
    output = DropoutFn.apply(input.contiguous(), slope)  # like dropout, a product with random numbers
    return inplace_on(input, output) if inplace else output


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else α (eˣ − 1)."""
    need_floating(input.dtype, "elu")
    return applied(ELUFn, input, alpha, 1.0, 1.0, inplace=inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else α (e^(x/α) − 1), of slope 1 at 0 for every α."""
    need_floating(input.dtype, "celu")
    if alpha == 0:
        raise RuntimeError("alpha must not be 0 for celu")
    return applied(ELUFn, input, alpha, 1.0, 1 / alpha, inplace=inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """λ x where x > 0, else λ α (eˣ − 1)."""
    need_floating(input.dtype, "selu")
    return applied(ELUFn, input, ALPHA, LAMBDA, 1.0, inplace=inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    if input.dtype is torch.bool:
        raise NotImplementedError("threshold is not defined for booleans")
    return applied(ThresholdFn, input, threshold, value, inplace=inplace)
