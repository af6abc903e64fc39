"""Softmax and its logarithm along one dimension; softmin, the softmax of −x.

Shapes:     x (…, C, …)   y (…, C, …), with Σ over C; m = max x, constant as far as y is concerned

softmax     yᵢ = exp(xᵢ − m) / Σⱼ exp(xⱼ − m)                             (1)
Tangent:    ẏ = y (ẋ − Σ y ẋ)                                             (2)
Adjoint:    x̄ = y (ȳ − Σ y ȳ)          the Jacobian diag(y) − y yᵀ is symmetric   (3)

log_softmax yᵢ = xᵢ − m − log Σⱼ exp(xⱼ − m)                              (4)
Tangent:    ẏ = ẋ − Σ eʸ ẋ                                                (5)
Adjoint:    x̄ = ȳ − eʸ Σ ȳ                                                (6)

Subtracting m changes nothing in exact arithmetic and keeps exp from overflowing.
Saved:      y.   Recomputed: eʸ in (6).
Kinks:      none. An entry of −inf has probability 0 and gradient 0; a row of nothing but −inf is NaN.
Errors:     IndexError for a dimension out of range, NotImplementedError for integers.
Reference:  torch.nn.functional.softmax, log_softmax, softmin, gumbel_softmax. Differs: nothing.
Source:     Bridle, Probabilistic interpretation of feedforward classification network outputs (1990).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast_wide, need_floating, widen
from scratch.ops.core.exponential import exp, exp_
from scratch.ops.core.function import Function
from scratch.ops.core.warning import warn


class SoftmaxFn(Function):
    layouts = "x (N, D)  y (N, D)"

    @staticmethod
    def value(x, dim):
        e = (x - x.amax(dim, keepdim=True)).exp()
        return e / e.sum(dim, keepdim=True)  # (1)

    @staticmethod
    def tangent(x_dot, y, dim):
        return y * (x_dot - (y * x_dot).sum(dim, keepdim=True))  # (2)

    @staticmethod
    def adjoint(y_bar, y, dim):
        return y * (y_bar - (y * y_bar).sum(dim, keepdim=True))  # (3)

    @staticmethod
    def compiled_if(x, dim):
        return dim == -1

    @staticmethod
    def fast_value(x, dim):
        wide = widen(x)
        y = exp_(wide - wide.amax(dim, keepdim=True))
        return y.mul_(y.sum(dim, keepdim=True).reciprocal_()).to(x.dtype)  # a third of the time of a division

    @staticmethod
    def fast_adjoint(needs, y_bar, y, dim):
        y = widen(y)
        scaled = y * widen(y_bar)
        return torch.addcmul(scaled, y, scaled.sum(dim, keepdim=True), value=-1, out=scaled)


class LogSoftmaxFn(Function):
    layouts = "x (N, D)  y (N, D)"

    @staticmethod
    def value(x, dim):
        n = x - x.amax(dim, keepdim=True)
        return n - n.exp().sum(dim, keepdim=True).log()  # (4)

    @staticmethod
    def tangent(x_dot, y, dim):
        return x_dot - (y.exp() * x_dot).sum(dim, keepdim=True)  # (5)

    @staticmethod
    def adjoint(y_bar, y, dim):
        return y_bar - y.exp() * y_bar.sum(dim, keepdim=True)  # (6)

    @staticmethod
    def compiled_if(x, dim):
        return dim == -1

    @staticmethod
    def fast_value(x, dim):
        wide = widen(x)
        shifted = wide - wide.amax(dim, keepdim=True)
        return shifted.sub_(exp(shifted).sum(dim, keepdim=True).log_()).to(x.dtype)

    @staticmethod
    def fast_adjoint(needs, y_bar, y, dim):
        p, y_bar = exp(widen(y)), widen(y_bar)
        return torch.addcmul(y_bar, p, y_bar.sum(dim, keepdim=True), value=-1, out=p)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """exp(x) / Σ exp(x) along ``dim``, computed in ``dtype`` where given."""
    return along(SoftmaxFn, "softmax", input, dim, _stacklevel, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """x − log Σ exp(x) along ``dim``, computed in ``dtype`` where given."""
    return along(LogSoftmaxFn, "log_softmax", input, dim, _stacklevel, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """exp(−x) / Σ exp(−x) along ``dim``, computed in ``dtype`` where given."""
    return along(SoftmaxFn, "softmin", -input, dim, _stacklevel, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((x + g) / τ) with g from Gumbel's distribution; ``hard`` gives its largest as 1, others 0, and its slope.

    Source: Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax (2017).
    """
    if eps != 1e-10:
        warn("eps has no effect", stacklevel=2)
    noise = torch.empty_like(logits, memory_format=torch.legacy_contiguous_format).exponential_().log().neg()
    y = softmax((logits + noise) / tau, dim)
    if not hard:
        return y
    return torch.zeros_like(y).scatter_(dim, y.argmax(dim, keepdim=True), 1.0) - y.detach() + y


def along(fn, name: str, x: Tensor, dim: int | None, stacklevel: int, dtype: torch.dtype | None) -> Tensor:
    if dim is None:
        message = f"{name} without dim is deprecated: say along which dimension"
        warn(message, stacklevel=stacklevel + 1)
        dim = 0 if x.dim() in (0, 1, 3) else 1  # as PyTorch guesses
    (x,) = autocast_wide(x, cpu=False) if dtype is None else (x.to(dtype),)
    if x.numel() == 0:
        x.size(dim)  # refuses one that there is not
        return x.clone()
    need_floating(x.dtype, name)
    return fn.apply(x.contiguous(), -1 if dim == x.dim() - 1 else dim)
