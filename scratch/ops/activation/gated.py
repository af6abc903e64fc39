"""Activations that gate: a number times a gate between 0 and 1, which is a function of the same number or of another.

Shapes:     x (…)   y (…);   glu x (…, 2C, …)   a, b, y (…, C, …)
Tangent:    ẏ = f′ ẋ                                                           (1)
Adjoint:    x̄ = f′ ȳ        see scratch/ops/core/elementwise.py                  (2)

gelu        y = x Φ(x)                           f′ = Φ(x) + x φ(x)              (3)
  tanh      y = x σ(2u),  u = √(2/π) (x + κx³)   f′ = σ + 2 x u′ σ (1 − σ)       (4)
silu        y = x σ(x)                           f′ = σ (1 + x (1 − σ))          (5)
mish        y = x t,  t = tanh log(1 + eˣ)       f′ = t + x σ (1 − t²)           (6)
hardswish   y = x min(max(x + 3, 0), 6) / 6      f′ = 0 | x/3 + 1/2 | 1          (7)
glu         y = a σ(b),  a and b the halves of x:
            ẏ = σ ȧ + a σ (1 − σ) ḃ   (8)     ā = σ ȳ,   b̄ = a σ (1 − σ) ȳ        (9)

Φ(x) = (1 + erf(x/√2)) / 2 is the normal distribution function, φ = Φ′ its density and φ′ = −xφ, κ = 0.044715.
mish needs no more than one exponential, n = eˣ, and h = n + n²/2:

            t = h / (h + 1)   (10)                f′ = h / (h + 1) + x (n + n²) / (h + 1)²          (11)

GELU's approximation is usually written ½x (1 + tanh u). As 1 + tanh u = 2σ(2u) it is the form in (4), where
nothing cancels at large negative x and the function called is the cheaper one.

Saved:      x.   Recomputed: the gates.
Kinks:      the slope of hardswish is 0 at −3 and 1 at 3, as in PyTorch.
Errors:     NotImplementedError for integers; RuntimeError for an unknown ``approximate``, or where glu's x has no
            dimension or an odd size; IndexError where it lacks the one named.
Reference:  torch.nn.functional.gelu, silu, mish, hardswish, glu. Differs: mish has a second
            derivative at large x, where PyTorch's is NaN.
Source:     Hendrycks and Gimpel, Gaussian error linear units (2016), for gelu and silu; Misra, Mish (2019); Howard
            and others, Searching for MobileNetV3 (2019), for hardswish; Dauphin, Fan, Auli and Grangier, Language
            modeling with gated convolutional networks (2017), for glu.
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.dtype import need_floating
from scratch.ops.core.elementwise import Elementwise, applied
from scratch.ops.core.exponential import LOG2_E, exp, exp_
from scratch.ops.core.function import Function

SQRT_HALF, PHI_0 = math.sqrt(1 / 2), 1 / math.sqrt(2 * math.pi)
SQRT_8_PI, KAPPA = math.sqrt(8 / math.pi), 0.044715  # 2u = SQRT_8_PI (x + KAPPA x³)


class GELUFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        return x * (1 + (x * SQRT_HALF).erf()) / 2

    @staticmethod
    def derivative(x):
        Phi, phi = (1 + (x * SQRT_HALF).erf()) / 2, PHI_0 * (-x * x / 2).exp()
        return Phi + x * phi  # (3)

    @staticmethod
    def fast_value(x):
        half = 0.5 * x
        return torch.addcmul(half, half, (x * SQRT_HALF).erf_(), out=half)

    @staticmethod
    def pullback(y_bar, x):
        phi_2 = torch.addcmul(x.new_full((), math.log2(2 * PHI_0)), x, x, value=-0.5 * LOG2_E).exp2_()  # 2 φ
        half = 0.5 * y_bar
        return torch.addcmul(half, half, (x * SQRT_HALF).erf_().addcmul_(x, phi_2), out=half)


def sigma_2u(x):
    return (x * (SQRT_8_PI + KAPPA * SQRT_8_PI * x * x)).sigmoid()


class GELUTanhFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        return x * sigma_2u(x)

    @staticmethod
    def derivative(x):
        sigma, u_2 = sigma_2u(x), SQRT_8_PI + 3 * KAPPA * SQRT_8_PI * x * x  # 2 u′
        return sigma + x * u_2 * sigma * (1 - sigma)  # (4)

    @staticmethod
    def fast_value(x):
        return (x * x).mul_(KAPPA * SQRT_8_PI).add_(SQRT_8_PI).mul_(x).sigmoid_().mul_(x)

    @staticmethod
    def pullback(y_bar, x):
        square = (x * x).mul_(KAPPA * SQRT_8_PI)
        sigma = (square + SQRT_8_PI).mul_(x).sigmoid_()
        u_2 = square.mul_(3).add_(SQRT_8_PI).mul_(x)
        rest = torch.addcmul(sigma, sigma, sigma, value=-1)
        return sigma.addcmul_(u_2, rest).mul_(y_bar)


class SiLUFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        return x * x.sigmoid()

    @staticmethod
    def derivative(x):
        sigma = x.sigmoid()
        return sigma * (1 + x * (1 - sigma))  # (5)

    @staticmethod
    def fast_value(x):
        return x.sigmoid().mul_(x)

    @staticmethod
    def pullback(y_bar, x):
        sigma = x.sigmoid()
        return torch.addcmul(x, x, sigma, value=-1).add_(1).mul_(sigma).mul_(y_bar)


LARGE = 20.0  # from where on tanh log(1 + eˣ) is 1 in double precision


class MishFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        n = x.clamp_max(LARGE).exp()
        h = n + n * n / 2
        return x * h / (h + 1)  # (6), (10)

    @staticmethod
    def derivative(x):
        x = x.clamp_max(LARGE)
        n = x.exp()
        h = n + n * n / 2
        return h / (h + 1) + x * (n + n * n) / (h + 1).square()  # (11)

    @staticmethod
    def fast_value(x):
        n = exp_(x.clamp_max(LARGE))
        h = n.addcmul_(n, n, value=0.5)
        return h.div_(h + 1).mul_(x)

    @staticmethod
    def pullback(y_bar, x):
        z = x.clamp_max(LARGE)
        n = exp(z)
        h = torch.addcmul(n, n, n, value=0.5)
        r = (h + 1).reciprocal_()
        return z.mul_(n.addcmul_(n, n)).mul_(r).add_(h).mul_(r).mul_(y_bar)


class HardswishFn(Elementwise):  # (1), (2)
    layouts = "x (N)  y (N)"
    parts = True

    @staticmethod
    def value(x):
        return x * (x + 3).clamp(0, 6) / 6

    @staticmethod
    def derivative(x):
        return torch.where(x <= -3, 0, torch.where(x < 3, x / 3 + 0.5, 1))  # (7)

    @staticmethod
    def fast_value(x):
        return (x + 3).clamp_(0, 6).mul_(x).div_(6)

    @staticmethod
    def pullback(y_bar, x):
        slope, mask = (x * (1 / 3)).clamp_(-1, 1).nan_to_num_(1), torch.empty_like(x)
        slope.add_(torch.lt(x, 3, out=mask), alpha=0.5).add_(torch.le(x, -3, out=mask), alpha=0.5)
        return slope.mul_(y_bar)


class GLUFn(Function):
    @staticmethod
    def value(x, dim):
        a, b = x.chunk(2, dim)
        return a * b.sigmoid()

    @staticmethod
    def tangent(x_dot, x, dim):
        (a, b), (a_dot, b_dot) = x.chunk(2, dim), x_dot.chunk(2, dim)
        sigma = b.sigmoid()
        return sigma * a_dot + a * sigma * (1 - sigma) * b_dot  # (8)

    @staticmethod
    def adjoint(y_bar, x, dim):
        a, b = x.chunk(2, dim)
        sigma = b.sigmoid()
        a_bar = sigma * y_bar
        return torch.cat([a_bar, a * (1 - sigma) * a_bar], dim)  # (9)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x), or with approximate="tanh" its approximation x σ(2u)."""
    need_floating(input.dtype, "gelu")
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate must be 'none' or 'tanh', but is {approximate!r}")
    return (GELUFn if approximate == "none" else GELUTanhFn).apply(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x σ(x), also known as swish."""
    need_floating(input.dtype, "silu", or_complex=True)
    return applied(SiLUFn, input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh log(1 + eˣ)."""
    need_floating(input.dtype, "mish")
    return applied(MishFn, input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times a hard sigmoid of x."""
    need_floating(input.dtype, "hardswish")
    return applied(HardswishFn, input, inplace=inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of x along ``dim``, gated by the sigmoid of the second."""
    need_floating(input.dtype, "glu")
    if input.dim() == 0:
        raise RuntimeError("glu needs at least one dimension")
    if input.shape[dim] % 2:
        raise RuntimeError(f"glu halves dimension {dim}, whose size {input.shape[dim]} is odd")
    return GLUFn.apply(input, dim)
