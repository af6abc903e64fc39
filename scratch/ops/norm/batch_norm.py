"""Batch and instance normalisation: numbers are shifted to mean 0 and scaled to variance 1, then to a learned scale and
shift. The two differ only in the numbers that share one mean and one variance; group_norm.py has a third choice.

Shapes:     x, y (N, C, *)   w, b (C,) or None   means over D numbers
            batch     over N and *, for each channel                D = N |*|
            instance  over *, for each example and channel          D = |*|
Value:      μ = mean x,   v = mean (x − μ)²,   r = 1/√(v + ε),   x̂ = (x − μ) r                    (1)
            y = w x̂ + b                                                                          (2)
Tangent:    x̂˙ = r (ẋ − mean ẋ − x̂ mean(x̂ ẋ))                                                    (3)
            ẏ = ẇ x̂ + w x̂˙ + ḃ                                                                   (4)
Adjoint:    g = w ȳ                                                                              (5)
            x̄ = r (g − mean g − x̂ mean(x̂ g))      the map from ẋ to x̂˙ is symmetric              (6)
            w̄ = Σ ȳ x̂   b̄ = Σ ȳ      over all but the channels                                   (7)
Running:    μ' ← (1 − m) μ' + m μ   v' ← (1 − m) v' + m v D / (D − 1)                            (8)
            in place, outside differentiation; of instances their mean over N. Outside training they stand in for μ and
            v, as constants:
            r' = 1/√(v' + ε)   x̂ = (x − μ') r'   y = w x̂ + b   ẏ = ẇ x̂ + w r' ẋ + ḃ               (9)
            x̄ = w r' ȳ      w̄ and b̄ by (7)                                                      (10)
Processes:  with a group of processes every mean is over the numbers of all: D and the sums in (1), (3) and (6) are
            added up. w̄ and b̄ are of the process's own numbers.
Saved:      x, w; by the fast form μ and v.   Recomputed: r, x̂.
Kinks:      none. Equal numbers have x̂ = 0 and r = 1/√ε. The variance is that of x − μ, exact for any mean.
Errors:     see scratch/nn/functional/norm.py.
Reference:  torch.nn.functional.batch_norm, instance_norm, and of torch.nn.SyncBatchNorm, which is for GPUs, batch_norm
            on the joint batch. Differs: nothing.
Source:     Ioffe and Szegedy, Batch normalization (2015); Ulyanov, Vedaldi and Lempitsky, Instance normalization
            (2016).
"""

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function


class SumOverProcessesFn(Function):
    """t -> Σ t over the processes of a group; tangent and adjoint are the same sum."""

    @staticmethod
    def value(t, group):
        return summed(t, group)

    @staticmethod
    def tangent(t_dot, group):
        return summed(t_dot, group)

    @staticmethod
    def adjoint(y_bar, group):
        return SumOverProcessesFn.apply(y_bar, group)


def summed(t: Tensor, group: Any) -> Tensor:
    total = t.clone()
    torch.distributed.all_reduce(total, group=group)
    return total


def mean(x: Tensor, dims: tuple[int, ...], count: Any, group: Any) -> Tensor:
    """Over dims, and over the processes of a group where there is one, with so many numbers in all."""
    if group is None:
        return x.mean(dims, keepdim=True)
    return SumOverProcessesFn.apply(x.sum(dims, keepdim=True), group) / count


def normalised(x, eps, dims, count, group):
    """μ, v, r and x̂"""
    mu = mean(x, dims, count, group)
    n = x - mu
    v = mean(n * n, dims, count, group)
    r = (v + eps).rsqrt()
    return mu, v, r, n * r  # (1)


def over_channels(t):
    """The sums of (7), of t (N, …, C, S)"""
    return t.sum((0, -1))[..., None]


class NormFn(Function):
    """x (N, G, C, S), the channels in G groups, and w and b (G, C, 1) -> y, μ, v, with means over dims."""

    outputs = ("y", "mu", "v")
    layouts = "x (N, G, C, S)  w (G, C, 1)  b (G, C, 1)  y (N, G, C, S)  mu ()  v ()"

    @staticmethod
    def value(x, w, b, eps, dims, count, group):
        mu, v, _, x_hat = normalised(x, eps, dims, count, group)
        y = x_hat if w is None else w * x_hat  # (2)
        return y if b is None else y + b, mu, v

    @staticmethod
    def tangent(x_dot, w_dot, b_dot, x, w, eps, dims, count, group):
        _, _, r, x_hat = normalised(x, eps, dims, count, group)
        level, along = mean(x_dot, dims, count, group), mean(x_hat * x_dot, dims, count, group)
        x_hat_dot = r * (x_dot - level - x_hat * along)  # (3)
        return w_dot * x_hat + (x_hat_dot if w is None else w * x_hat_dot) + b_dot  # (4)

    @staticmethod
    def adjoint(y_bar, x, w, eps, dims, count, group):
        _, _, r, x_hat = normalised(x, eps, dims, count, group)
        g = y_bar if w is None else w * y_bar  # (5)
        level, along = mean(g, dims, count, group), mean(x_hat * g, dims, count, group)
        x_bar = r * (g - level - x_hat * along)  # (6)
        return x_bar, over_channels(y_bar * x_hat), over_channels(y_bar)  # (7)

    @staticmethod
    def compiled_if(x, w, b, eps, dims, count, group):
        return group is None

    @staticmethod
    def fast_value(x, w, b, eps, dims, count, group):
        wide = widen(x)
        mu = mean(wide, dims, count, group)
        y = wide - mu
        v = mean(y * y, dims, count, group)
        y.mul_((v + eps).rsqrt_())
        y = y if w is None else y.mul_(w)
        return (y if b is None else y.add_(b)).to(x.dtype), mu, v

    @staticmethod
    def fast_adjoint(needs, y_bar, x, w, mu, v, eps, dims, count, group):
        r, y_bar = (v + eps).rsqrt(), widen(y_bar)
        x_hat = (widen(x) - mu) * r
        w_bar = y_bar * x_hat if needs[1] else None
        if not needs[0]:
            return None, w_bar, y_bar
        g = y_bar if w is None else y_bar * w
        level = mean(g, dims, count, group)
        along = mean(w_bar if w is None and needs[1] else g * x_hat, dims, count, group)
        return x_hat.mul_(along).add_(level).sub_(g).mul_(r.neg_()), w_bar, y_bar


class FixedNormFn(Function):
    """x (N, C, S), w, b and the constants μ' and v' (C, 1) -> y."""

    layouts = "x (N, C, S)  w (C, 1)  b (C, 1)  mu (C, 1)  v (C, 1)  y (N, C, S)"

    @staticmethod
    def value(x, w, b, mu, v, eps):
        x_hat = (x - mu) * (v + eps).rsqrt()
        y = x_hat if w is None else w * x_hat  # (9)
        return y if b is None else y + b

    @staticmethod
    def tangent(x_dot, w_dot, b_dot, x, w, mu, v, eps):
        r = (v + eps).rsqrt()
        x_hat_dot = r * x_dot
        return w_dot * (x - mu) * r + (x_hat_dot if w is None else w * x_hat_dot) + b_dot  # (9)

    @staticmethod
    def adjoint(y_bar, x, w, mu, v, eps):
        r = (v + eps).rsqrt()
        x_bar = y_bar * (r if w is None else w * r)  # (10)
        return x_bar, over_channels(y_bar * (x - mu) * r), over_channels(y_bar)  # (7)


class TrackFn(torch.autograd.Function):
    """(8) in place. In a Function, since torch.func refuses to change statistics that it was not given elsewhere."""

    generate_vmap_rule = True

    @staticmethod
    def forward(running, found, momentum):
        running.mul_(1 - momentum).add_(found, alpha=momentum)
        return running.new_empty(0)  # a Function returns a tensor

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass


def track(running: Tensor, found: Tensor, momentum: float) -> None:
    """Let a running statistic follow what was found, by (8)."""
    transformed = not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
    update = TrackFn.apply if transformed else TrackFn.forward
    with torch.no_grad():
        update(running, found.detach().reshape(running.shape).to(running.dtype), momentum)


def in_one_group(x: Tensor, w: Tensor | None, b: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """x (N, C, *) as (N, 1, C, S), w and b as (1, C, 1)"""
    w, b = (None if p is None else p[None, :, None] for p in (w, b))
    return x.reshape(x.shape[0], 1, x.shape[1], x.shape[2:].numel()), w, b


def batch_norm(x: Tensor, w, b, running_mean, running_var, momentum: float, eps: float, group: Any = None) -> Tensor:
    """w x̂ + b with the statistics of the batch, or of the batches of a group of processes; the running ones, where
    given, follow them. See the module's page."""
    count: Any = x.numel() // max(x.shape[1], 1)
    everywhere = None
    if group is not None:
        count = everywhere = SumOverProcessesFn.apply(x.new_tensor(count, dtype=torch.float64), group)
    y, mu, v = NormFn.apply(*in_one_group(x, w, b), eps, (0, 3), everywhere, group)
    if running_mean is not None:
        track(running_mean, mu, momentum)
        track(running_var, v * (count / (count - 1)), momentum)
    return y.reshape(x.shape)


def instance_norm(x: Tensor, w, b, running_mean, running_var, momentum: float, eps: float) -> Tensor:
    """w x̂ + b with the statistics of each example's channels, which the running ones, where given, follow."""
    size = x.shape[2:].numel()
    y, mu, v = NormFn.apply(*in_one_group(x, w, b), eps, (3,), None, None)
    if running_mean is not None:
        track(running_mean, mu.mean(0), momentum)
        track(running_var, v.mean(0) * (size / (size - 1)), momentum)
    return y.reshape(x.shape)


def fixed_norm(x: Tensor, w, b, running_mean: Tensor, running_var: Tensor, eps: float) -> Tensor:
    """w x̂ + b with the running statistics, (9)."""
    rows = x.reshape(*x.shape[:2], x.shape[2:].numel())
    columns = (None if p is None else p[:, None] for p in (w, b, running_mean, running_var))
    return FixedNormFn.apply(rows, *columns, eps).reshape(x.shape)
