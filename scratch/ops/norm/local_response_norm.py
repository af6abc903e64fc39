"""Local response normalisation: every number is damped by the squares of its neighbours in other channels.

Shapes:     x, s, y (N, C, *);   Σ over the size channels n with c − ⌊size/2⌋ ≤ n ≤ c + ⌊(size−1)/2⌋, within x
            s = k + (α / size) Σ x²,     y = x s^−β                                        (1)
Tangent:    ṡ = (2 α / size) Σ x ẋ,      ẏ = s^−β ẋ − β x s^(−β−1) ṡ                       (2)
Adjoint:    x̄ = s^−β ȳ − (2 α β / size) x Σ' ȳ x s^(−β−1)                                  (3)
            where Σ' is the transpose of Σ: the window mirrored.
Saved:      x.   Recomputed: s.
Kinks:      none.
Errors:     ValueError for fewer than 3 dimensions, RuntimeError for a size below 1.
Reference:  torch.nn.functional.local_response_norm. Differs: of int64, the one whole type that PyTorch takes, it does
            not cut the mean in (1) to a whole number.
Source:     Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional networks (2012).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, narrowed, need_floating, widen
from scratch.ops.core.function import Function


def window_sum(x: Tensor, before: int, after: int) -> Tensor:
    """Of each channel with so many before it and after it, where there are so many."""
    padded = torch.constant_pad_nd(x, [0] * (2 * (x.dim() - 2)) + [before, after])
    return padded.unfold(1, before + 1 + after, 1).sum(-1)


class LocalResponseNormFn(Function):
    @staticmethod
    def forward(x, size, alpha, beta, k):
        wide = widen(x)
        s = (window_sum(wide * wide, size // 2, (size - 1) // 2) * (alpha / size)).add_(k)
        return narrowed(wide * s.pow_(-beta), x)  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *ctx.options = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        size, alpha, beta, k = ctx.options
        (saved,) = ctx.saved_tensors
        x, grad = widen(saved), widen(grad)
        s = window_sum(x * x, size // 2, (size - 1) // 2) * (alpha / size) + k
        direct = grad * s**-beta
        through = window_sum(direct * x / s, (size - 1) // 2, size // 2)
        return (direct - x * through * (2 * alpha * beta / size)).to(saved.dtype), *[None] * 4  # (3)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + α mean x²)^β, the mean over ``size`` neighbouring channels. See the module's page."""
    if input.dim() < 3:
        raise ValueError(f"local_response_norm needs at least 3 dimensions, but got {input.dim()}")
    if input.numel() == 0:
        return input
    if size < 1:
        raise RuntimeError(f"size must be at least 1, but is {size}")
    if input.dtype is not torch.int64:
        need_floating(input.dtype, "local_response_norm")
    return LocalResponseNormFn.apply(*autocast_wide(input, cpu=input.dim() > 3, gpu=False), size, alpha, beta, k)
