"""PReLU: y = x where x > 0, else w x, with a slope w that is learned, one for all or one for each channel.

Shapes:     x (N, C, …)   w (C,) along dimension 1, or one number   y (N, C, …)
Tangent:    ẏ = [x > 0] ẋ + [x ≤ 0] (w ẋ + ẇ x)                             (1)
Adjoint:    x̄ = ȳ where x > 0, else w ȳ   (2)     w̄ = Σ [x ≤ 0] x ȳ over all but the channels   (3)
Saved:      x, w.   Recomputed: nothing.
Kinks:      the slope at 0 is w.
Errors:     NotImplementedError for integers; RuntimeError where w has more than one dimension, neither one number
            nor one for each channel, or another type than x.
Reference:  torch.nn.functional.prelu. Differs: PyTorch takes 0 as positive in the second derivative.
Source:     He, Zhang, Ren and Sun, Delving deep into rectifiers (2015).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast, need_floating
from scratch.ops.core.function import Function


class PReLUFn(Function):
    """x, and w in a shape that broadcasts to it -> y."""

    @staticmethod
    def value(x, w):
        return torch.where(x > 0, x, w * x)

    @staticmethod
    def tangent(x_dot, w_dot, x, w):
        return torch.where(x > 0, x_dot, w * x_dot + w_dot * x)  # (1)

    @staticmethod
    def adjoint(y_bar, x, w):
        x_bar = torch.where(x > 0, y_bar, w * y_bar)  # (2)
        return x_bar, torch.where(x > 0, 0, x * y_bar)  # (3), summed to the shape of w


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else w x. See the module's page."""
    need_floating(input.dtype, "prelu")
    input, weight = autocast(input, weight)
    if weight.dtype is not input.dtype:
        raise RuntimeError(f"weight is {weight.dtype}, but the input {input.dtype}")
    if weight.dim() > 1:
        raise RuntimeError(f"weight must have at most 1 dimension, but has {weight.dim()}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.dim() > 1 else 1
        if input.dim() == 0 or weight.numel() != channels:
            raise RuntimeError(f"{weight.numel()} slopes do not fit {channels} channels of {list(input.shape)}")
        weight = weight.view(-1, *(1 for _ in input.shape[2:]))
    return PReLUFn.apply(input, weight.view(()) if weight.numel() == 1 else weight)
