"""Power-average pooling: the p-norm of each window.

Shapes:     x (N, C, *S)   y (N, C, *L), with kernel, stride and ceil_mode as in scratch/ops/pool/pool.py
Formula:    y = t^(1/p),   t = K M(xᵖ),   M the mean of each window, K the numbers in a whole one        (1)
            p = 1 is the sum, p = ∞ the maximum of |x|, p = −∞ its minimum. A window that ceil_mode cuts off at the
            border counts as if what is missing were like the rest.
Tangent:    ẏ = t^(1/p − 1) ṫ / p,   ṫ = K M(p xᵖ⁻¹ ẋ)
Adjoint:    t̄ = t^(1/p − 1) ȳ / p   (2)     x̄ = p xᵖ⁻¹ Mᵀ(K t̄)   (3)
Saved:      x, t. The latter is an output that the caller drops; a second derivative adds to its t̄.
Kinks:      where t = 0 its power in (2) is taken as 0. NaN where t is negative and 1/p no whole number.
Errors:     ValueError for p = 0; otherwise those of average pooling.
Reference:  torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d. Differs: nothing.
Source:     Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers digit
            classification (2012).
"""

import math

from torch import Tensor

from scratch.ops.conv.window import Sizes
from scratch.ops.core.dtype import autocast_wide, narrowed, widen
from scratch.ops.core.function import Function
from scratch.ops.pool.pool import (
    AvgPoolFn,
    AvgSpreadFn,
    Geometry,
    MaxPoolFn,
    refuse_larger_kernel,
    unbatched,
    windows_of,
    with_batch,
)


class LPPoolFn(Function):
    """x -> y, t"""

    @staticmethod
    def forward(x, p, g: Geometry):
        t = AvgPoolFn.forward(widen(x).pow(p), g, True, None) * math.prod(g.kernel)
        return narrowed(t.pow(1 / p), x), t  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.p, ctx.geometry = inputs
        ctx.save_for_backward(x, output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_y, grad_t):
        (x, t), p, g = ctx.saved_tensors, ctx.p, ctx.geometry
        if grad_y is not None:
            nothing = t == 0
            power = t.masked_fill(nothing, 1).pow(1 / p - 1).masked_fill(nothing, 0)
            through_y = power * widen(grad_y) / p  # (2)
            grad_t = through_y if grad_t is None else grad_t + through_y
        if grad_t is None:
            return None, None, None
        spread = AvgSpreadFn.apply(math.prod(g.kernel) * grad_t, g, True, None)
        return (p * widen(x).pow(p - 1) * spread).to(x.dtype), None, None  # (3)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, L) or (C, L). See the module's page."""
    return lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, H, W) or (C, H, W). See the module's page."""
    return lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of x (N, C, D, H, W) or (C, D, H, W). See the module's page."""
    return lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool(dims: int, x: Tensor, p: float, kernel, stride, ceil_mode: bool) -> Tensor:
    if p == 0:
        raise ValueError("norm_type must not be 0")
    if x.dim() == dims + 1:
        return unbatched(lp_pool(dims, with_batch(x), p, kernel, stride, ceil_mode))
    if dims == 3:
        (x,) = autocast_wide(x, gpu=False)
    g = windows_of(x, dims, kernel, stride, 0, 1, ceil_mode)
    refuse_larger_kernel(dims, g)
    if math.isinf(p):
        sign = 1 if p > 0 else -1
        return sign * MaxPoolFn.apply(sign * x.abs(), g)
    return LPPoolFn.apply(x, p, g)[0]
