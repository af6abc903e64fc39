"""The cross-entropy of a linear map's output, without ever holding all of that output.

Shapes:     x (N, I)   W (C, I)   c (C,) or None   z (N, C) logits   t (N,) class numbers   a, b (N, 1)   w (C,)
            z = x Wᵀ + c,   ℓ = log Σ exp z over classes                                        (1)
            L = Σ over rows of  (a + b Σ w) ℓ − a zₜ − b Σ w z                                   (2)

a and b say how much a row counts: with label smoothing ε and class weights w (else 1), as in cross_entropy.py,
a = (1 − ε) wₜ and b = ε / C, both divided by Σ wₜ for a mean, and both 0 where t is ignore_index.

Tangent:    ż = ẋ Wᵀ + x Ẇᵀ + ċ,   ℓ̇ = Σ p ż with p = exp(z − ℓ)                                 (3)
            L̇ = Σ over rows of  (a + b Σ w) ℓ̇ − a żₜ − b Σ w ż                                   (4)
Adjoint:    z̄ = L̄ ((a + b Σ w) p − a [class = t] − b w) + ℓ̄ p                                   (5)
            x̄ = z̄ W   (6)      W̄ = z̄ᵀ x   (7)      c̄ = Σ z̄ over rows   (8)

Fast form:  (5) asks for nothing from other rows, and for L̄ only as a factor. So each chunk of rows is done with in
            the forward pass: z, L, then z̄ in the memory of z, its share of (6) to (8), and the chunk is forgotten.
            Backward multiplies what is there by L̄. Logits for one chunk are all that there ever is, and the three
            products are as many as without chunks. With reduction="none" each row has an L̄ of its own, not known
            before backward, which then goes through the chunks again: four products.
Saved:      x, W, c, t, a, b, w and ℓ, an output that callers drop; by the fast form (6) to (8) for L̄ = 1.
            Recomputed: z.
Kinks:      none. A mean over nothing but ignored targets is NaN with gradient 0, as in PyTorch.
Errors:     RuntimeError for shapes that do not fit, and for ignore_index with probabilities; else as cross_entropy.
Reference:  torch.nn.functional.linear_cross_entropy. Differs: chunks are not asked for by ``options``, of which only
            batch_chunk_size is looked at; with them second derivatives and every backward work all the same.
            Targets that are probabilities, and losses of more dimensions, go by linear and cross_entropy.
Source:     Wijmans et al., Cut your losses in large-vocabulary language models (2024); Hsu et al., Liger kernel (2024).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import autocast, autocast_on, autocast_wide, need_floating, widen, without_autocast
from scratch.ops.core.exponential import LOG2_E
from scratch.ops.core.function import Function
from scratch.ops.core.product import add_product, product
from scratch.ops.linear import linear
from scratch.ops.loss.cross_entropy import (
    batched,
    class_numbers,
    cross_entropy,
    of_classes,
    pick,
    targets,
    total_weight,
)
from scratch.ops.loss.reduction import reduction_name

CHUNK = 2**22  # logits at a time: 16 MiB of float32


class LinearCrossEntropyFn(Function):
    """x, W, c, t, a, b, w -> L, or its rows (N, 1), and ℓ (N, 1). ``wanted`` says of which gradients."""

    outputs, dropped, keeps = ("L", "ell"), ("ell",), ("x_1", "W_1", "c_1")
    wide = False

    @staticmethod
    def value(x, W, c, t, a, b, w, size, rows, wanted):
        z = logits(x, W, c)
        m = z.amax(1, keepdim=True)
        ell = m + (z - m).exp().sum(1, keepdim=True).log()  # (1)
        return from_rows(a, b, w, t, z, ell, rows), ell

    @staticmethod
    def tangent(x_dot, W_dot, c_dot, x, W, c, t, a, b, w, ell, rows):
        z_dot = widen(x_dot @ W.mT + x @ W_dot.mT + c_dot)
        ell_dot = ((logits(x, W, c) - ell).exp() * z_dot).sum(1, keepdim=True)  # (3)
        return from_rows(a, b, w, t, z_dot, ell_dot, rows), ell_dot  # (4)

    @staticmethod
    def adjoint(L_bar, ell_bar, x, W, c, t, a, b, w, ell):
        a = a * L_bar
        b = None if b is None else b * L_bar
        p = (logits(x, W, c) - ell).exp()
        factor = a if b is None else a + b * (p.shape[1] if w is None else w.sum())
        z_bar = (p * (factor + ell_bar)).scatter_add(1, t, -a)
        if b is not None:
            z_bar = z_bar - (b if w is None else b * w)  # (5)
        z_bar = z_bar.to(x.dtype)
        return z_bar @ W, z_bar.mT @ x, z_bar.sum(0)  # (6), (7), (8)

    @staticmethod
    def fast_value(x, W, c, t, a, b, w, size, rows, wanted):
        loss, ell, early = in_chunks(x, W, c, t, a, b, w, size, wanted)
        return loss if rows else loss.sum(), ell, *early

    @staticmethod
    def fast_adjoint(needs, L_bar, x, W, c, t, a, b, w, size, x_1, W_1, c_1):
        early, L_bar = (x_1, W_1, c_1), widen(L_bar)
        if any(g.numel() for g in early):
            return tuple(g * L_bar if need else None for g, need in zip(early, needs, strict=True))
        grads = in_chunks(x, W, c, t, a * L_bar, None if b is None else b * L_bar, w, size, needs)[2]
        return tuple(g if need else None for g, need in zip(grads, needs, strict=True))


def logits(x, W, c):
    z = x @ W.mT
    return widen(z if c is None else z + c)  # (1)


def from_rows(a, b, w, t, z, ell, rows):
    """(2) from z and ℓ, or (4) from their tangents."""
    L = a * (ell - z.gather(1, t))
    if b is not None:
        L = L + b * (z.shape[1] * ell - z.sum(1, keepdim=True) if w is None else (w * (ell - z)).sum(1, keepdim=True))
    return L if rows else L.sum()


# In chunks.


def in_chunks(x, W, c, t, a, b, w, size, wanted):
    """The rows of L, ℓ, and those of (6) to (8) that are wanted, else something empty."""
    wide = widen(x[:0])
    loss, ell = torch.empty_like(a), torch.empty_like(a)
    shapes = (x.shape, W.shape, W.shape[:1])
    sums = [wide.new_zeros(shape if want else 0) for shape, want in zip(shapes, wanted, strict=True)]
    mass = W.shape[0] if w is None else w.sum()
    for start in range(0, x.shape[0], size):
        rows = slice(start, start + size)
        here, t_row, factor, b_row = x[rows], t[rows], a[rows], None if b is None else b[rows]
        z = widen(product(here * LOG2_E, W.mT, None if c is None else c * LOG2_E))  # in units of log 2
        m = z.amax(1, keepdim=True)
        less = factor * z.sub_(m).gather(1, t_row)
        if b_row is not None:
            less += b_row * (z.sum(1, keepdim=True) if w is None else (z @ w)[:, None])
            factor = factor + b_row * mass
        s = z.exp2_().sum(1, keepdim=True)
        log_s = s.log2()
        loss[rows] = (factor * log_s - less) / LOG2_E  # (2), where m drops out
        ell[rows] = (m + log_s) / LOG2_E
        if not any(wanted):
            continue
        z.mul_(factor / s).scatter_add_(1, t_row, -a[rows])
        if b_row is not None:
            z.sub_(b_row if w is None else b_row * w)
        z_bar = z.to(x.dtype)  # (5)
        if wanted[0]:
            sums[0][rows] = product(z_bar, W)  # (6)
        if wanted[1] and z is z_bar:
            add_product(sums[1], z_bar.mT, here)  # (7)
        elif wanted[1]:
            sums[1] += z_bar.mT @ here
        if wanted[2]:
            sums[2] += z.sum(0)  # (8)
    return loss, ell, [total.to(x.dtype) for total in sums]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target) with input (N, I) or (I,), linear_weight
    (C, I) or (C, d₁, …, I). See the module's page."""
    C, extra = check(input, linear_weight, linear_bias)
    shape = (*input.shape[:-1], C, *extra)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index goes with class numbers, not with class probabilities")
    need_floating(input.dtype, "linear_cross_entropy")
    ignore_index = -100 if ignore_index is None else ignore_index
    if extra or target.shape == shape or C == 0:
        flat = None if linear_bias is None else linear_bias.flatten()
        z = linear(input, linear_weight.flatten(0, -2), flat).reshape(shape)
        return cross_entropy(z, target, weight, None, ignore_index, None, reduction, label_smoothing)

    reduction = reduction_name(reduction)
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0 and 1, but is {label_smoothing}")
    x, target = batched(input, target, C)
    stand_in, weight = autocast_wide(
        x.new_empty(1, 1).expand(x.shape[0], C), weight
    )  # for the logits, in shape and type
    t = class_numbers(stand_in, target, weight)
    index, counted, _ = targets(t, None, ignore_index)
    w_t = counted if weight is None else pick(weight[None], index.view(1, -1)).view(index.shape)
    ignored, total = counted.logical_not(), total_weight(counted, w_t)
    a = widen(torch.ones_like(index, dtype=x.dtype) if weight is None else w_t)
    b: Tensor | None = None
    if label_smoothing > 0:
        a, b = a * (1 - label_smoothing), torch.full_like(a, label_smoothing / C)
    if reduction == "mean":
        a, b = a / total, None if b is None else b / total
    a, b = a.masked_fill(ignored, 0), None if b is None else b.masked_fill(ignored, 0)
    w = None if weight is None or b is None else widen(weight)

    rows = reduction == "none"
    given = autocast(x, linear_weight, linear_bias)
    wanted = tuple(not rows and t is not None and t.requires_grad and torch.is_grad_enabled() for t in given)
    size = getattr(options, "batch_chunk_size", None) or max(1, CHUNK // C)
    with without_autocast(x):
        inputs = *given, index, a, b, w, size, rows, wanted
        loss, _ = of_classes(LinearCrossEntropyFn, inputs, t, C, ignore_index)
    if reduction == "mean":
        loss = torch.where(total == 0, math.nan, loss)  # no gradient, not even one that arrives as NaN
    if not autocast_on(input):
        loss = loss.to(input.dtype)
    return loss.reshape(input.shape[:-1]) if rows else loss


def check(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[int, torch.Size]:
    """C, and the dimensions d₁, …"""
    if input.dim() not in (1, 2):
        raise RuntimeError(f"input must have 1 or 2 dimensions, but has {input.dim()}")
    if weight.dim() < 2:
        raise RuntimeError(f"linear_weight must have at least 2 dimensions, but has {weight.dim()}")
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"input has {input.shape[-1]} features, linear_weight {weight.shape[-1]}")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(f"linear_bias must be {tuple(weight.shape[:-1])}, but is {tuple(bias.shape)}")
    if weight.dim() > 2 and input.dim() == 1:
        raise RuntimeError("a loss of more dimensions takes a batch")
    return weight.shape[0], weight.shape[1:-1]
