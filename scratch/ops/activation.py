"""Activations that act on each number alone: sigmoid and its logarithm, tanh, ReLU, leaky ReLU, GELU.

Shapes:     x (…)   y (…)
Tangent:    ẏ = f′(x) ẋ                                                        (1)
Adjoint:    x̄ = f′(x) ȳ        the Jacobian is diagonal, so its own transpose    (2)

sigmoid     y = 1 / (1 + e⁻ˣ)                    f′ = y (1 − y)                  (3)
logsigmoid  y = −log(1 + e⁻ˣ)                    f′ = σ(−x)                      (4)
tanh        y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)          f′ = 1 − y²                     (5)
relu        y = max(x, 0)                        f′ = [x > 0]                    (6)
leaky_relu  y = max(x, sx); for s > 1 min(x, sx) f′ = s + (1 − s) [x > 0]        (7)
gelu        y = x Φ(x)                           f′ = Φ(x) + x φ(x)              (8)
  tanh      y = x σ(2u),  u = √(2/π) (x + κx³)   f′ = σ + 2 x u′ σ (1 − σ)       (9)

In gelu Φ is an output too:                      x̄ += φ(x) Φ̄                   (10)
logsigmoid is computed as min(x, 0) − log1p(e^−|x|), where no exponent is positive and nothing cancels.

Φ(x) = (1 + erf(x/√2)) / 2 is the normal distribution function, φ = Φ′ its density and φ′ = −xφ, κ = 0.044715.
GELU's approximation is usually written ½x (1 + tanh u). As 1 + tanh u = 2σ(2u) it is the form in (9), where
nothing cancels at large negative x and the function called is the cheaper one.

Saved:      the output where f′ is a function of it (sigmoid, tanh, relu), else the input; in gelu Φ(x) too.
Recomputed: φ, and σ in (9).
Kinks:      f′(0) is 0 for relu and s for leaky_relu, as in PyTorch. NaN goes in, NaN comes out.
Errors:     NotImplementedError for integers (logsigmoid, leaky_relu, gelu) and booleans (relu), RuntimeError
            for an unknown ``approximate``.
Reference:  torch.nn.functional.sigmoid, logsigmoid, tanh, relu, leaky_relu, gelu. Differs: leaky_relu in
            place takes any slope, PyTorch's none below 0; with slope 0 it makes NaN of +∞, PyTorch's of −∞ only.
Source:     LeCun, Bottou, Orr and Müller, Efficient BackProp (1998); Nair and Hinton, Rectified linear units
            (2010); Maas, Hannun and Ng, Rectifier nonlinearities (2013); Hendrycks and Gimpel, Gaussian error
            linear units (2016).
"""

import math

import torch
from torch import Tensor

from scratch.ops.dtype import need_floating, widen
from scratch.ops.elementwise import Elementwise, inplace_on, times
from scratch.ops.exponential import LOG2_E
from scratch.ops.function import Function, in_place


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
    @staticmethod
    def value(x):
        return log_sigmoid(x)

    @staticmethod
    def derivative(x):
        return x.neg().sigmoid()  # (4)


class TanhFn(Elementwise):
    saved = "y"

    @staticmethod
    def value(x):
        return x.tanh()

    @staticmethod
    def derivative(y):
        return 1 - y * y  # (5)

    @staticmethod
    def pullback(grad, y):
        product = grad * y
        return torch.addcmul(grad, product, y, value=-1, out=product if in_place(grad) else None)  # ȳ − ȳ y²


class ReLUFn(Elementwise):
    saved = "y"

    @staticmethod
    def value(x):
        return x.clamp_min(0)

    @staticmethod
    def derivative(y):
        return (y > 0).to(y.dtype)  # (6)

    @staticmethod
    def pullback(grad, y):
        """ȳ where y > 0, else 0: also where ȳ is infinite, as below a square root, and 0 · ȳ would be NaN.

        A mask takes twenty times as long as arithmetic. So the factor, 0 or 1, multiplies the bits of ȳ read
        as an integer; it comes from the bits of |y|, an integer that is 0 for 0 and positive for all else.
        """
        if not in_place(grad):
            return grad.masked_fill(y <= 0, 0)
        bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[y.element_size()]
        return y.abs().view(bits).clamp_(max=1).mul_(grad.view(bits)).view(y.dtype)


class LeakyReLUFn(Elementwise):
    @staticmethod
    def value(x, slope):
        return (x * slope).clamp_(min=x) if slope <= 1 else (x * slope).clamp_(max=x)

    @staticmethod
    def derivative(x, slope):
        sign = x.detach().sign()
        if 0 <= slope <= 1:
            return sign.clamp_(min=slope)
        return sign.clamp_(min=0).mul_(1 - slope).add_(slope)  # (7)


SQRT_HALF = math.sqrt(1 / 2)
LOG_PHI_0 = -math.log(2 * math.pi) / 2  # φ(x) = exp(LOG_PHI_0 − x²/2)
SQRT_8_PI, KAPPA = math.sqrt(8 / math.pi), 0.044715  # 2u = SQRT_8_PI (x + KAPPA x³)


class GELUFn(Function):
    """x -> y, Φ(x). The caller drops Φ; backward uses it again, and (10) leads a second derivative through it."""

    @staticmethod
    def forward(x):
        wide = widen(x)
        cdf = (wide * SQRT_HALF).erf_().mul_(0.5).add_(0.5)
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
        grad_x = None if grad_cdf is None else pdf * grad_cdf  # (10)
        if grad_y is not None:
            out = pdf if grad_x is None and in_place(grad_y) else None
            through_y = times(torch.addcmul(cdf, wide, pdf, out=out), widen(grad_y))  # (8)
            grad_x = through_y if grad_x is None else grad_x + through_y
        return None if grad_x is None else grad_x.to(x.dtype)


def sigma_2u(x):
    return (x * x).mul_(KAPPA * SQRT_8_PI).add_(SQRT_8_PI).mul_(x).sigmoid()


class GELUTanhFn(Elementwise):
    @staticmethod
    def value(x):
        return sigma_2u(x).mul_(x)

    @staticmethod
    def derivative(x):
        sigma = sigma_2u(x)
        slope = (x * x).mul_(3 * KAPPA * SQRT_8_PI).add_(SQRT_8_PI) * x  # 2 x u′
        return torch.addcmul(sigma, slope, torch.addcmul(sigma, sigma, sigma, value=-1))  # (9)


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


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), with slope 0 at 0."""
    if input.dtype is torch.bool:
        raise NotImplementedError("relu is not defined for booleans")
    output = ReLUFn.apply(input)
    return inplace_on(input, output) if inplace else output


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    need_floating(input.dtype, "leaky_relu")
    if inplace:
        return inplace_on(input, LeakyReLUFn.apply(input.clone(), negative_slope))
    return LeakyReLUFn.apply(input, negative_slope)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x), or with approximate="tanh" its approximation x σ(2u)."""
    need_floating(input.dtype, "gelu")
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate must be 'none' or 'tanh', but is {approximate!r}")
    return GELUFn.apply(input)[0] if approximate == "none" else GELUTanhFn.apply(input)
