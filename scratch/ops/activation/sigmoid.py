"""Activations that bend: the sigmoid and its relatives, smooth or of straight pieces.

Shapes:     x (…)   y (…)
Tangent:    ẏ = f′ ẋ                                                           (1)
Adjoint:    x̄ = f′ ȳ        see scratch/ops/core/elementwise.py                  (2)

sigmoid     y = 1 / (1 + e⁻ˣ)                    f′ = y (1 − y)                  (3)
logsigmoid  y = −log(1 + e⁻ˣ)                    f′ = σ(−x)                      (4)
tanh        y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)          f′ = 1 − y²                     (5)
softplus    y = log(1 + e^βx) / β                f′ = σ(βx)                      (6)
            where βx > threshold  y = x          f′ = 1
softsign    y = x / (1 + |x|)                    f′ = 1 / (1 + |x|)²             (7)
hardsigmoid y = min(max(x + 3, 0), 6) / 6        f′ = [−3 < x < 3] / 6           (8)
hardtanh    y = min(max(x, a), b)                f′ = [a < x < b]                (9)

Complex softsign has no complex derivative. With n = 1 + |x| and s the conjugate of x / |x|:
            ẏ = ẋ/n − x Re(s ẋ)/n²   (10)      x̄ = ȳ/n − s Re(x ȳ)/n²                 (11)

log(1 + eᶻ) is computed as max(z, 0) + log1p(e^−|z|), where no exponent is positive and nothing cancels;
logsigmoid likewise, being −log(1 + e⁻ˣ).

Saved:      the output where f′ is a function of it (sigmoid, tanh), else the input.   Recomputed: σ.
Kinks:      f′ is 0 at both ends of hardsigmoid and hardtanh, as in PyTorch. NaN goes in, NaN comes out.
Errors:     NotImplementedError for integers (logsigmoid, softplus, hardsigmoid) and booleans (softsign,
            hardtanh); ValueError for hardtanh with a > b, RuntimeError for unsigned x with a or b below 0.
Reference:  torch.nn.functional.sigmoid, logsigmoid, tanh, softplus, softsign, hardsigmoid, hardtanh. Differs:
            softplus with a large threshold is finite where PyTorch's e^βx
            has overflowed; the slope of softsign at ±∞ is 0, PyTorch's NaN; PyTorch's gradient of hardsigmoid has,
            for some x, 1/6 in single precision.
Source:     LeCun, Bottou, Orr and Müller, Efficient BackProp (1998); Dugas, Bengio, Bélisle, Nadeau and Garcia,
            Incorporating second-order functional knowledge (2001), for softplus; Turian, Bergstra and Bengio,
            Quadratic features and deep architectures for chunking (2009), for softsign; Courbariaux, Bengio and
            David, BinaryConnect (2015), for hardsigmoid; Collobert, Large scale machine learning (2004), for hardtanh.
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.elementwise import Elementwise, applied, where_not_0
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import Function


class SigmoidFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return x.sigmoid()

    @staticmethod
    def derivative(y):
        return y * (1 - y)  # (3)

    @staticmethod
    def pullback(y_bar, y):
        product = y_bar * y
        return torch.addcmul(product, product, y, value=-1, out=product)


def log_sigmoid(x):
    return x.clamp_max(0) - (-x.abs()).exp().log1p()


class LogSigmoidFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        return log_sigmoid(x)

    @staticmethod
    def derivative(x):
        return (-x).sigmoid()  # (4)

    @staticmethod
    def fast_value(x):
        return x.clamp_max(0).sub_(x.abs().mul_(-LOG2_E).exp2_().log1p_())

    @staticmethod
    def pullback(y_bar, x):
        return x.neg().sigmoid_().mul_(y_bar)


class TanhFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return x.tanh()

    @staticmethod
    def derivative(y):
        return 1 - y * y  # (5)

    @staticmethod
    def pullback(y_bar, y):
        product = y_bar * y
        return torch.addcmul(y_bar, product, y, value=-1, out=product)


def log_one_plus_exp(z):
    return z.clamp_min(0) + (-z.abs()).exp().log1p()


class SoftplusFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x, beta, threshold):
        z = x * beta
        return torch.where(z > threshold, x, log_one_plus_exp(z) / beta)

    @staticmethod
    def derivative(x, beta, threshold):
        z = x * beta
        return torch.where(z < threshold, z, z.detach()).sigmoid().masked_fill(z > threshold, 1)  # (6)

    @staticmethod
    def fast_if(x, beta, threshold):
        return threshold >= 0

    @staticmethod
    def fast_value(x, beta, threshold):
        z = x * beta
        rest = z.abs().mul_(-LOG2_E).exp2_().log1p_().mul_(torch.le(z, threshold, out=torch.empty_like(z)))
        return z.clamp_min_(0).add_(rest).div_(beta)

    @staticmethod
    def pullback(y_bar, x, beta, threshold):
        z = x * beta
        sigma = z.sigmoid()
        return torch.maximum(sigma, z.gt_(threshold), out=sigma).mul_(y_bar)


class SoftsignFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return x / (1 + x.abs())

    @staticmethod
    def derivative(x):
        n = 1 + x.abs()
        return 1 / (n * n)  # (7)


class ComplexSoftsignFn(Function):
    @staticmethod
    def value(x):
        return x / (1 + x.abs())

    @staticmethod
    def tangent(x_dot, x):
        n, s = 1 + x.abs(), x.sgn().conj()
        return x_dot / n - x * (s * x_dot).real / (n * n)  # (10)

    @staticmethod
    def adjoint(y_bar, x):
        n, s = 1 + x.abs(), x.sgn().conj()
        return y_bar / n - s * (x * y_bar).real / (n * n)  # (11)


class HardsigmoidFn(Function):
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x):
        return (x + 3).clamp(0, 6) / 6

    @staticmethod
    def tangent(x_dot, x):
        return torch.where((x > -3) & (x < 3), x_dot / 6, 0)  # (8)

    @staticmethod
    def adjoint(y_bar, x):
        return torch.where((x > -3) & (x < 3), y_bar / 6, 0)

    @staticmethod
    def fast_value(x):
        return (widen(x) + 3).clamp_(0, 6).div_(6).to(x.dtype)

    @staticmethod
    def fast_adjoint(needs, y_bar, x):
        return where_not_0(x.abs().lt_(3), y_bar / 6)


class HardtanhFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"

    @staticmethod
    def value(x, low, high):
        return x.clamp(low, high)

    @staticmethod
    def derivative(x, low, high):
        return ((x <= low) | (x >= high)).logical_not()  # (9)

    @staticmethod
    def pullback(y_bar, x, low, high):
        outside = torch.le(x, low, out=torch.empty_like(x))
        torch.maximum(outside, torch.ge(x, high, out=torch.empty_like(x)), out=outside)
        return where_not_0(outside.sub_(1), y_bar)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return SigmoidFn.apply(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log σ(x), also where σ(x) is too small for a number."""
    need_floating(input.dtype, "logsigmoid")
    return LogSigmoidFn.apply(input.contiguous())


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return TanhFn.apply(input)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + e^βx) / β, and x itself where βx > threshold."""
    need_floating(input.dtype, "softplus")
    return SoftplusFn.apply(*autocast_wide(input, cpu=False), beta, threshold)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return (ComplexSoftsignFn if input.is_complex() else SoftsignFn).apply(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """The sigmoid of three straight lines: (x + 3) / 6, held between 0 and 1."""
    need_floating(input.dtype, "hardsigmoid")
    return applied(HardsigmoidFn, input, inplace=inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x held between min_val and max_val."""
    if min_val > max_val:
        raise ValueError(f"min_val {min_val} is greater than max_val {max_val}")
    if input.dtype is torch.bool:
        raise NotImplementedError("hardtanh is not defined for booleans")
    if not input.is_floating_point():
        min_val, max_val = int(min_val), int(max_val)
    if input.dtype is torch.uint8 and min(min_val, max_val) < 0:
        raise RuntimeError(f"unsigned numbers cannot be held between {min_val} and {max_val}")
    return applied(HardtanhFn, input, min_val, max_val, inplace=inplace)
