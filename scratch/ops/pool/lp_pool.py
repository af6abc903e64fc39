"""Power-average pooling: the p-norm of each window.

Shapes:     x, q (N, C, *S)   t, y (N, C, *L), with windows as in pool.py
Formula:    q = xᵖ   (1)     t = K M(q)   (2)     y = t^(1/p)   (3)
            M is the mean of each window, K the numbers in a whole one.
            p = 1 gives the sum, p = ∞ the maximum of |x|, p = −∞ its minimum. A window that ceil_mode cuts off at the
            border counts as if what is missing were like the rest.
Tangent:    q̇ = p xᵖ⁻¹ ẋ   (4)     ṫ = K M(q̇)     ẏ = t^(1/p − 1) ṫ / p   (5)
Adjoint:    t̄ = t^(1/p − 1) ȳ / p   q̄ = Mᵀ(K t̄)     x̄ = p xᵖ⁻¹ q̄:   (5), average pooling's adjoint, and (4)
Saved:      x, t.   Recomputed: the powers in (4) and (5).
Kinks:      where t = 0 its power in (5) is taken as 0. NaN where t is negative and 1/p no whole number.
Errors:     see scratch/nn/functional/pool.py.
Reference:  torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d. Differs: nothing.
Source:     Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers digit
            classification (2012).
"""

import math

from torch import Tensor

from scratch.ops.conv.window import Windows
from scratch.ops.core.dtype import narrowed, widen
from scratch.ops.core.elementwise import Elementwise
from scratch.ops.pool.pool import avg_pool, counts, max_pool


class PowerFn(Elementwise):
    @staticmethod
    def value(x, p):
        return x**p  # (1)

    @staticmethod
    def derivative(x, p):
        return p * x ** (p - 1)  # (4)


class RootFn(Elementwise):
    @staticmethod
    def value(t, p):
        return t ** (1 / p)  # (3)

    @staticmethod
    def derivative(t, p):
        nothing = t == 0
        return t.masked_fill(nothing, 1).pow(1 / p - 1).masked_fill(nothing, 0) / p  # (5)


def lp_pool(x: Tensor, p: float, windows: Windows) -> Tensor:
    """The norm of each window of x (N, C, *S). See the module's page."""
    if math.isinf(p):
        sign = 1 if p > 0 else -1
        return sign * max_pool(sign * x.abs(), windows)
    K = math.prod(windows.kernel)
    m = counts(windows, (0,) * len(windows.kernel), x.device)
    powers = PowerFn.apply(widen(x), p)
    if powers.is_floating_point() or powers.is_complex() or len(windows.kernel) < 3:
        t = avg_pool(powers, windows, m / K)  # (2)
    else:
        t = avg_pool(powers, windows, m) * K  # of volumes of whole numbers torch takes the mean, which it cuts off
    return narrowed(RootFn.apply(t, p), x)
