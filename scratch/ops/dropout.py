"""Dropout: y = x m, where each mᵢ is 0 with probability p, else 1 / (1 − p), so that y is x on average.

Shapes:     x (…)   m (…), for whole channels (N, C, 1, …)   y (…)
Tangent:    ẏ = ẋ m                                                      (1)
Adjoint:    x̄ = ȳ m                                                      (2)
Channels:   dropout1d, 2d, 3d draw one m for each channel of each example.
Alpha:      what is dropped becomes −α of SELU, its limit at −∞, and an affine map restores mean 0 and variance 1:
            y = x m + b,   m = a or 0,   b = α a p or α a (p − 1),   a = 1 / √((1 − p) (1 + p α²))    (3)
            with the same (1) and (2); α here is SELU's λ α.
Saved:      m.   Recomputed: nothing.
Kinks:      none.
Random:     one Bernoulli number for each m, drawn as torch's dropout draws it on the CPU: equal values under an equal
            seed. With p = 0 or outside training y is x itself; then, and with p = 1, nothing is drawn, and with p = 1
            y is 0.
Errors:     ValueError where p is outside [0, 1]; RuntimeError for dropout1d of other than 2 or 3 dimensions, and for
            whole channels of fewer than 2.
Reference:  torch.nn.functional.dropout, dropout1d, dropout2d, dropout3d, alpha_dropout, feature_alpha_dropout.
            Differs: nothing on the CPU; on a GPU torch fuses dropout's mask and product in a kernel with its own
            random stream.
Source:     Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout (2014); Tompson, Goroshin, Jain, LeCun
            and Bregler, Efficient object localization using convolutional networks (2015), for channels; Klambauer,
            Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks (2017), for alpha.
"""

import math

import torch
from torch import Tensor

from scratch.ops.core.elementwise import inplace_on
from scratch.ops.core.function import Function
from scratch.ops.core.warning import warn


class DropoutFn(Function):
    @staticmethod
    def forward(x, mask):
        return x * mask

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad * mask, None  # (2)


LIMIT = 1.7580993408473766  # SELU's λ α


def dropped(x: Tensor, p: float, training: bool, inplace: bool, channels: bool = False, alpha: bool = False) -> Tensor:
    """x with a fresh mask for each number, or for each channel."""
    if p < 0 or p > 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but is {p}")
    if p == 0 or not training or x.numel() == 0:
        return x
    if channels and x.dim() < 2:
        raise RuntimeError(f"whole channels are dropped of at least 2 dimensions, but got {x.dim()}")
    if p == 1:
        output = DropoutFn.apply(x, x.new_zeros(()))
    else:
        empty = x.new_empty(*x.shape[:2], *(1 for _ in x.shape[2:])) if channels else torch.empty_like(x)
        mask = empty.bernoulli_(1 - p)
        if alpha:
            a = 1 / math.sqrt((LIMIT * LIMIT * p + 1) * (1 - p))
            shift = (mask - 1).mul_(LIMIT * a).add_(LIMIT * a * p)
            output = DropoutFn.apply(x, mask.mul_(a)) + shift  # (3)
        else:
            output = DropoutFn.apply(x, mask.div_(1 - p))
    return inplace_on(x, output) if inplace else output


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x m with a fresh random mask m. See the module's page."""
    return dropped(input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L)."""
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d takes 2 or 3 dimensions, but got {input.dim()}")
    return without_batch(input, 2, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, H, W)."""
    if input.dim() != 4:
        warn(f"dropout2d takes 4 dimensions: {input.dim()} are read as (N, C, …)", stacklevel=2)
    return dropped(input, p, training, inplace, channels=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if input.dim() not in (4, 5):
        warn(f"dropout3d takes 4 or 5 dimensions: {input.dim()} are read as (C, …)", stacklevel=2)
    return without_batch(input, input.dim() if input.dim() != 5 else 4, p, training, inplace)


def without_batch(x: Tensor, dims: int, p: float, training: bool, inplace: bool) -> Tensor:
    """Of an x of so many dimensions the first is the channels."""
    if x.dim() != dims:
        return dropped(x, p, training, inplace, channels=True)
    return dropped(x[None], p, training, inplace, channels=True)[0]


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """x m + b, which keeps mean 0 and variance 1. See the module's page."""
    return dropped(input, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """The same for whole channels."""
    return dropped(input, p, training, inplace, channels=True, alpha=True)
