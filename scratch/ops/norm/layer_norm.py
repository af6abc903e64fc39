"""Layer normalisation: every row is shifted to mean 0 and scaled to variance 1, then to a learned scale and shift.

Shapes:     x (…, *S) with D numbers in S   μ, r (…, 1) for each row   x̂, y (…, *S)   w, b (*S,) or None
            μ = mean x,   r = 1 / √(mean (x − μ)² + ε),   x̂ = (x − μ) r                        (1)
            y = w x̂ + b                                                                        (2)
Tangent:    μ˙ = mean ẋ,   r˙ = −r² mean(x̂ ẋ),   x̂˙ = r (ẋ − μ˙) + (x − μ) r˙                   (3)
            ẏ = ẇ x̂ + w x̂˙ + ḃ                                                                 (4)
Adjoint:    g = w ȳ                               what arrives at x̂                             (5)
            x̄ = r (g − mean g − x̂ mean(x̂ g))      the map from ẋ to x̂˙ is symmetric              (6)
            w̄ = Σ ȳ x̂ over rows   (7)      b̄ = Σ ȳ over rows                                   (8)
            x̄ += (μ̄ − r² x̂ r̄) / D                 in a second derivative, where (6) and (7) read μ and r   (9)
Saved:      x, w, μ, r.   Recomputed: x̂.
Fast form:  a few rows at a time, so that every pass but the first finds them in the cache. With n = x − μ the sums in
            (6) to (8) are products with a vector, which the processor computes fastest, and neither g nor x̂ is made:
            D mean g = ȳ · w,  D mean(x̂ g) = r (ȳ n) · w,  w̄ = (ȳ n)ᵀ r,  b̄ = ȳᵀ 1,                (10)
            x̄ = r (w ȳ − (ȳ · w) / D − n r² ((ȳ n) · w) / D)                                       (11)
Kinks:      none. A row of equal numbers has x̂ = 0 and r = 1/√ε.
Errors:     see scratch/nn/functional/norm.py.
Reference:  torch.nn.functional.layer_norm. Differs: nothing.
Source:     Ba, Kiros and Hinton, Layer normalization (2016).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from scratch.ops.core.dtype import wide_type, widen
from scratch.ops.core.function import Function

BLOCK = 2**16  # numbers at a time: 256 KiB of float32, for each thread
MANY = 2**17  # numbers from which on the fast form is faster
LONG = 2**16  # numbers in a row, beyond which the errors of vector_norm, which adds one after another, show


class LayerNormFn(Function):
    """Rows x (N, D), w (D,), b (D,) -> y, μ and r."""

    outputs, dropped = ("y", "mu", "r"), ("mu", "r")
    layouts = "x (N, D)  w (D)  b (D)  y (N, D)  mu (N, 1)  r (N, 1)"

    @staticmethod
    def value(x, w, b, eps):
        mu = mean(x)
        r = (mean((x - mu) ** 2) + eps).rsqrt()
        x_hat = (x - mu) * r  # (1)
        y = x_hat if w is None else w * x_hat  # (2)
        return y if b is None else y + b, mu, r

    @staticmethod
    def tangent(x_dot, w_dot, b_dot, x, w, mu, r):
        x_hat = (x - mu) * r
        mu_dot, r_dot = mean(x_dot), -(r**2) * mean(x_hat * x_dot)
        x_hat_dot = r * (x_dot - mu_dot) + (x - mu) * r_dot  # (3)
        y_dot = w_dot * x_hat + (x_hat_dot if w is None else w * x_hat_dot) + b_dot  # (4)
        return y_dot, mu_dot, r_dot

    @staticmethod
    def adjoint(y_bar, mu_bar, r_bar, x, w, mu, r):
        x_hat = (x - mu) * r
        g = y_bar if w is None else w * y_bar  # (5)
        x_bar = r * (g - mean(g) - x_hat * mean(x_hat * g))  # (6)
        if isinstance(mu_bar, Tensor) or isinstance(r_bar, Tensor):
            x_bar = x_bar + (mu_bar - r**2 * x_hat * r_bar) / x.shape[1]  # (9)
        return x_bar, (y_bar * x_hat).sum(0), y_bar.sum(0)  # (7), (8)

    @staticmethod
    def fast_if(x, w, b, eps):
        return x.numel() >= MANY and x.shape[1] <= LONG

    @staticmethod
    def fast_value(x, w, b, eps):
        return normalise_in_blocks(x, w, b, eps)

    @staticmethod
    def fast_adjoint(needs, y_bar, x, w, mu, r):
        return adjoint_in_blocks(y_bar, x, w, mu, r)


def mean(x):
    return x.mean(-1, keepdim=True)


def blocks(*matrices: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """A few rows of each at a time, then of the next."""
    step = max(1, BLOCK * torch.get_num_threads() // max(matrices[0].shape[1], 1))
    return zip(*(matrix.split(step) for matrix in matrices), strict=True)


def normalise_in_blocks(x, weight, bias, eps):
    y, wide = torch.empty_like(x, memory_format=torch.contiguous_format), widen(x[:0])
    mean, r = wide.new_empty(x.shape[0], 1), wide.new_empty(x.shape[0], 1)
    epsilon, memory = wide.new_tensor(eps), None
    for x_, y_, mean_, r_ in blocks(x, y, mean, r):
        memory = room(memory, x_)
        normal = torch.sub(widen(x_), torch.mean(widen(x_), -1, keepdim=True, out=mean_), out=memory)
        torch.linalg.vector_norm(normal, dim=-1, keepdim=True, out=r_)
        normal.mul_(torch.addcmul(epsilon, r_, r_, value=1 / x.shape[1], out=r_).rsqrt_())  # (1)
        out = y_ if y.dtype is normal.dtype else normal
        if weight is None or bias is None:
            torch.mul(normal, 1 if weight is None else weight, out=out).add_(0 if bias is None else bias)
        else:
            torch.addcmul(bias, normal, weight, out=out)  # (2)
        if out is normal:
            y_.copy_(normal)
    return y, mean, r


def adjoint_in_blocks(grad, x, weight, mean, r):
    D = x.shape[1]
    grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    w = mean.new_ones(D) if weight is None else weight.to(mean.dtype)
    grad_weight, grad_bias = mean.new_zeros(D), mean.new_zeros(D)
    w_mean, square, ones = w / -D, r * r, torch.ones_like(r[:, 0])
    memory = memory_product = None
    for grad_, x_, out, mean_, r_, square_, ones_ in blocks(grad, x, grad_x, mean, r, square, ones):
        memory, memory_product, grad_ = room(memory, x_), room(memory_product, x_), widen(grad_)
        normal = torch.sub(widen(x_), mean_, out=memory)
        product = torch.mul(grad_, normal, out=memory_product)
        grad_weight.addmv_(product.t(), r_[:, 0])  # (10)
        grad_bias.addmv_(grad_.t(), ones_)
        level, along = grad_.mv(w_mean)[:, None], product.mv(w_mean)[:, None].mul_(square_)
        rest = normal.mul_(along).add_(level).addcmul_(grad_, w)
        if out.dtype is rest.dtype:
            torch.mul(rest, r_, out=out)  # (11)
        else:
            out.copy_(rest.mul_(r_))
    return grad_x, grad_weight, grad_bias


def room(memory: Tensor | None, x: Tensor) -> Tensor:
    """Room for one block, used again and again: what is allocated anew costs more than what is computed."""
    return x.new_empty(x.shape, dtype=wide_type(x)) if memory is None else memory[: x.shape[0]]


def layer_norm(x: Tensor, w: Tensor | None, b: Tensor | None, eps: float) -> Tensor:
    """w x̂ + b of the rows x (N, D). See the module's page."""
    return LayerNormFn.apply(x, w, b, eps)[0]
