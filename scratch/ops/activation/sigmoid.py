"""Activations that bend: the sigmoid and its relatives, smooth or of straight pieces.

Shapes:     x (…)   y (…)
Tangent:    ẏ = f′(x) ẋ                                                        (1)
Adjoint:    x̄ = f′(x) ȳ        the Jacobian is diagonal, so its own transpose    (2)

sigmoid     y = 1 / (1 + e⁻ˣ)                    f′ = y (1 − y)                  (3)
logsigmoid  y = −log(1 + e⁻ˣ)                    f′ = σ(−x)                      (4)
tanh        y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)          f′ = 1 − y²                     (5)
softplus    y = log(1 + e^βx) / β                f′ = σ(βx)                      (6)
            where βx > threshold  y = x          f′ = 1
softsign    y = x / (1 + |x|)                    f′ = 1 / (1 + |x|)²             (7)
hardsigmoid y = min(max(x + 3, 0), 6) / 6        f′ = [−3 < x < 3] / 6           (8)
hardtanh    y = min(max(x, a), b)                f′ = [a < x < b]                (9)

tanh x is 2σ(2x) − 1, and in float32 on the CPU computed so: with the rounding error of a number near 1, below 2⁻²²,
also where x is very small.
log(1 + eᶻ) is computed as max(z, 0) + log1p(e^−|z|), where no exponent is positive and nothing cancels;
logsigmoid likewise, being −log(1 + e⁻ˣ).

Saved:      the output where f′ is a function of it (sigmoid, tanh), else the input.   Recomputed: σ.
Kinks:      f′ is 0 at both ends of hardsigmoid and hardtanh, as in PyTorch. NaN goes in, NaN comes out.
Errors:     NotImplementedError for integers (logsigmoid, softplus, hardsigmoid) and booleans (softsign,
            hardtanh); ValueError for hardtanh with a > b, RuntimeError for unsigned x with a or b below 0.
Reference:  torch.nn.functional.sigmoid, logsigmoid, tanh, softplus, softsign, hardsigmoid, hardtanh. Differs:
            tanh in float32 on the CPU as above; softplus with a large threshold is finite where PyTorch's e^βx
            has overflowed; the slope of softsign at ±∞ is 0, PyTorch's NaN; PyTorch's gradient of hardsigmoid has,
            for some x, 1/6 in single precision.
Source:     LeCun, Bottou, Orr and Müller, Efficient BackProp (1998); Dugas, Bengio, Bélisle, Nadeau and Garcia,
            Incorporating second-order functional knowledge (2001), for softplus; Turian, Bergstra and Bengio,
            Quadratic features and deep architectures for chunking (2009), for softsign; Courbariaux, Bengio and
            David, BinaryConnect (2015), for hardsigmoid; Collobert, Large scale machine learning (2004), for hardtanh.
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating
from scratch.ops.core.elementwise import Elementwise, applied, where_not_0
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import Function, numbers_known, values_known


class SigmoidFn(Elementwise):
    saved = "y"

    @staticmethod
    def value(x):
        return x.sigmoid()

    @staticmethod
    def derivative(y):
        return torch.addcmul(y, y, y, value=-1)  # (3)


def log_sigmoid(x):
    return x.clamp_max(0).sub_(x.abs().mul_(-LOG2_E).exp2_().log1p_())


class LogSigmoidFn(Elementwise):
    parts = True

    @staticmethod
    def value(x):
        return log_sigmoid(x)

    @staticmethod
    def derivative(x):
        return x.neg().sigmoid()  # (4)


MINUS_ONE = torch.tensor(-1.0, device="cpu")  # whatever torch.set_default_device says at import


def twice_less_one_(s: Tensor) -> Tensor:
    """2s − 1: tanh x, given s = σ(2x). The kernel of σ is five times as fast as that of tanh."""
    if not numbers_known(s):  # nor does a number of the CPU go with others, nor out= with compilation and vmap
        return s.mul_(2).sub_(1)
    return torch.add(MINUS_ONE, s, alpha=2, out=s)


def tanh_into(out: Tensor, x: Tensor) -> Tensor:
    """out ← tanh x."""
    twice = torch.add(x, x, out=out) if values_known() else out.copy_(x).mul_(2)
    return twice_less_one_(twice.sigmoid_())


class TanhFn(Elementwise):
    saved = "y"

    @staticmethod
    def value(x):
        return tanh_into(torch.empty_like(x), x) if x.is_cpu and x.dtype is torch.float32 else x.tanh()

    @staticmethod
    def derivative(y):
        return 1 - y * y  # (5)

    @staticmethod
    def pullback(grad, y):
        product = grad * y
        return torch.addcmul(grad, product, y, value=-1, out=product)  # ȳ − ȳ y²


def log_one_plus_exp(z):
    return z.clamp_min(0).add_(z.abs().mul_(-LOG2_E).exp2_().log1p_())


class SoftplusFn(Elementwise):
    parts = True

    @staticmethod
    def value(x, beta, threshold):
        return torch.where(x * beta > threshold, x, log_one_plus_exp(x * beta).div_(beta))

    @staticmethod
    def derivative(x, beta, threshold):
        z = x * beta
        return torch.where(z < threshold, z, z.detach()).sigmoid().masked_fill(z > threshold, 1)  # (6)


class SoftsignFn(Elementwise):
    @staticmethod
    def value(x):
        return x / (1 + x.abs())

    @staticmethod
    def derivative(x):
        return (1 + x.abs()).square().reciprocal()  # (7)


class ComplexSoftsignFn(Function):
    """ẏ = ẋ / n − x Re(s ẋ) / n²,  n = 1 + |x|,  s the conjugate of x / |x|: a map that has no complex derivative."""

    @staticmethod
    def forward(x):
        return x / (1 + x.abs())

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        n = 1 + x.abs()
        return grad / n - x.sgn().conj() * (grad * x / (n * n)).real


class HardsigmoidFn(Elementwise):
    @staticmethod
    def value(x):
        return (x + 3).clamp_(0, 6).div_(6)

    @staticmethod
    def pullback(grad, x):
        return torch.where((x > -3) & (x < 3), grad / 6, 0)  # (8), where ȳ is infinite, too


class HardtanhFn(Elementwise):
    @staticmethod
    def value(x, low, high):
        return x.clamp(low, high)

    @staticmethod
    def derivative(x, low, high):
        return ((x <= low) | (x >= high)).logical_not()  # (9)

    @staticmethod
    def pullback(grad, x, low, high):
        outside = torch.le(x, low, out=torch.empty_like(x))
        torch.maximum(outside, torch.ge(x, high, out=torch.empty_like(x)), out=outside)
        return where_not_0(outside.sub_(1), grad)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return SigmoidFn.apply(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log σ(x), also where σ(x) is too small for a number."""
    need_floating(input.dtype, "logsigmoid")
    return LogSigmoidFn.apply(input)


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
