"""Activations that gate: a number times a gate between 0 and 1, which is a function of the same number or of another.

Shapes:     x (…)   y (…);   glu x (…, 2C, …)   a, b, y (…, C, …)
Tangent:    ẏ = f′(x) ẋ                                                        (1)
Adjoint:    x̄ = f′(x) ȳ        the Jacobian is diagonal, so its own transpose    (2)

gelu        y = x Φ(x)                           f′ = Φ(x) + x φ(x)              (3)
  tanh      y = x σ(2u),  u = √(2/π) (x + κx³)   f′ = σ + 2 x u′ σ (1 − σ)       (4)
silu        y = x σ(x)                           f′ = σ (1 + x (1 − σ))          (5)
mish        y = x t,  t = tanh log(1 + eˣ)       f′ = t + x σ (1 − t²)           (6)
hardswish   y = x min(max(x + 3, 0), 6) / 6      f′ = 0 | x/3 + 1/2 | 1          (7)
glu         y = a σ(b),  a and b the halves of x:
            ẏ = σ ȧ + a σ (1 − σ) ḃ     ā = σ ȳ,  b̄ = a σ (1 − σ) ȳ             (8)

In gelu Φ is an output too:                      x̄ += φ(x) Φ̄                    (9)

Φ(x) = (1 + erf(x/√2)) / 2 is the normal distribution function, φ = Φ′ its density and φ′ = −xφ, κ = 0.044715.
mish needs no more than one exponential, n = eˣ, and h = n + n²/2:

            t = h / (h + 1)   (10)                f′ = h / (h + 1) + x (n + n²) / (h + 1)²          (11)

GELU's approximation is usually written ½x (1 + tanh u). As 1 + tanh u = 2σ(2u) it is the form in (4), where
nothing cancels at large negative x and the function called is the cheaper one.

Saved:      x; in gelu Φ(x) too.   Recomputed: φ, the other gates.
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

from scratch.ops.core.dtype import need_floating, widen
from scratch.ops.core.elementwise import Elementwise, applied, in_parts, times_if
from scratch.ops.core.exponential import LOG2_E, exp, exp_
from scratch.ops.core.function import Function, in_place

SQRT_HALF = math.sqrt(1 / 2)
LOG_PHI_0 = -math.log(2 * math.pi) / 2  # φ(x) = exp(LOG_PHI_0 − x²/2)
SQRT_8_PI, KAPPA = math.sqrt(8 / math.pi), 0.044715  # 2u = SQRT_8_PI (x + KAPPA x³)


class GELUFn(Function):
    """x -> y, Φ(x). The caller drops Φ; backward uses it again, and (9) leads a second derivative through it."""

    @staticmethod
    def forward(x):
        wide = widen(x)
        cdf = in_parts(lambda x: (x * SQRT_HALF).erf_().mul_(0.5).add_(0.5), wide)
        return (wide * cdf).to(x.dtype), cdf

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_y, grad_cdf):
        x, cdf = ctx.saved_tensors
        wide = widen(x)
        log2_pdf = torch.addcmul(wide.new_full((), LOG_PHI_0 * LOG2_E), wide, wide, value=-0.5 * LOG2_E)
        pdf = log2_pdf.exp2_()
        grad_x = None if grad_cdf is None else pdf * grad_cdf  # (9)
        if grad_y is not None:
            out = pdf if grad_x is None and in_place() else None
            through_y = times_if(torch.addcmul(cdf, wide, pdf, out=out), widen(grad_y))  # (3)
            grad_x = through_y if grad_x is None else grad_x + through_y
        return None if grad_x is None else grad_x.to(x.dtype)


def sigma_2u(x):
    return (x * x).mul_(KAPPA * SQRT_8_PI).add_(SQRT_8_PI).mul_(x).sigmoid()


class GELUTanhFn(Elementwise):
    parts = True

    @staticmethod
    def value(x):
        return sigma_2u(x).mul_(x)

    @staticmethod
    def derivative(x):
        sigma = sigma_2u(x)
        slope = (x * x).mul_(3 * KAPPA * SQRT_8_PI).add_(SQRT_8_PI) * x  # 2 x u′
        return torch.addcmul(sigma, slope, torch.addcmul(sigma, sigma, sigma, value=-1))  # (4)


class SiLUFn(Elementwise):
    parts = True

    @staticmethod
    def value(x):
        return x.sigmoid().mul_(x)

    @staticmethod
    def derivative(x):
        sigma = x.sigmoid()
        return torch.addcmul(sigma, x * sigma, 1 - sigma)  # (5)


LARGE = 20.0  # from where on tanh log(1 + eˣ) is 1 in double precision


def half_square(n):
    return torch.addcmul(n, n, n, value=0.5)


class MishFn(Elementwise):
    parts = True

    @staticmethod
    def value(x):
        h = half_square(exp_(x.clamp_max(LARGE)))
        return h.div_(h + 1).mul_(x)  # (10)

    @staticmethod
    def derivative(x):
        z = x.clamp_max(LARGE)
        n = exp(z)
        h = n + n * n / 2
        return h / (h + 1) + z * (n + n * n) / (h + 1).square()  # (11)

    @staticmethod
    def pullback(grad, x):
        z = x.clamp_max(LARGE)
        n = exp(z)
        h = half_square(n)
        r = (h + 1).reciprocal_()
        return z.mul_(torch.addcmul(n, n, n)).mul_(r).add_(h).mul_(r).mul_(grad)


class HardswishFn(Elementwise):
    parts = True

    @staticmethod
    def value(x):
        return (x + 3).clamp_(0, 6).mul_(x).div_(6)

    @staticmethod
    def derivative(x):
        return (x / 3 + 0.5).masked_fill(x <= -3, 0).masked_fill((x < 3).logical_not(), 1)  # (7)

    @staticmethod
    def pullback(grad, x):
        slope, mask = (x * (1 / 3)).clamp_(-1, 1).nan_to_num_(1), torch.empty_like(x)
        slope.add_(torch.lt(x, 3, out=mask), alpha=0.5).add_(torch.le(x, -3, out=mask), alpha=0.5)
        return slope.mul_(grad)


class GLUFn(Function):
    @staticmethod
    def forward(x, dim):
        a, b = widen(x).chunk(2, dim)
        return b.sigmoid().mul_(a).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.dim = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        (a, b), grad = widen(x).chunk(2, ctx.dim), widen(grad)
        sigma = b.sigmoid()
        grad_a = sigma * grad
        return torch.cat([grad_a, a * (1 - sigma) * grad_a], ctx.dim).to(x.dtype), None  # (8)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x), or with approximate="tanh" its approximation x σ(2u)."""
    need_floating(input.dtype, "gelu")
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate must be 'none' or 'tanh', but is {approximate!r}")
    return GELUFn.apply(input)[0] if approximate == "none" else GELUTanhFn.apply(input)


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
