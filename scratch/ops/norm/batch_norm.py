"""Batch, group and instance normalisation: numbers are shifted to mean 0 and scaled to variance 1, then to a learned
scale and shift. The three differ only in the numbers that share one mean and one variance.

Shapes:     x, y (N, C, *)   w, b (C,) or None   means over D numbers
            batch     over N and *, for each channel                         D = N |*|
            instance  over *, for each example and channel                   D = |*|
            group     over * and the C/G channels of a group, for each example   D = |*| C / G

            μ = mean x,   v = mean (x − μ)²,   r = 1/√(v + ε),   x̂ = (x − μ) r,   y = w x̂ + b       (1)
Tangent:    x̂˙ = r (ẋ − mean ẋ − x̂ mean(x̂ ẋ)),   ẏ = ẇ x̂ + w x̂˙ + ḃ                              (2)
Adjoint:    g = w ȳ,   x̄ = r (g − mean g − x̂ mean(x̂ g))   the map from ẋ to x̂˙ is symmetric      (3)
            w̄ = Σ ȳ x̂   (4)      b̄ = Σ ȳ   (5)            over all but the channels
Second order: μ and v are outputs that the caller drops, as constants kept for (3). A second derivative passes
            through them by  x̄ += (μ̄ + 2 (x − μ) v̄) / D.                                          (6)
Running:    μ' ← (1 − m) μ' + m μ,   v' ← (1 − m) v' + m v D / (D − 1),  in place, outside differentiation; of
            instances the mean over N. They stand in for μ and v outside training:
            y = w (x − μ') r' + b,   x̄ = w r' ȳ,  w̄ and b̄ as above with x̂ = (x − μ') r'            (7)
Processes:  with a group of processes every mean is over the numbers of all: D, Σ x, Σ (x − μ)² are added up in
            (1), Σ g and Σ x̂ g in (3). w̄ and b̄ are of the process's own numbers.
Saved:      x, w, μ, v.   Recomputed: r, x̂.
Kinks:      none. Equal numbers have x̂ = 0 and r = 1/√ε. The variance is that of x − μ, exact for any mean.
Errors:     ValueError for one number only per mean, for ε ≤ 0 in training, and for one running statistic without the
            other; RuntimeError for parameters or statistics of another length than C or a type that does not go with
            x's, for statistics that are missing outside training, and where groups do not divide the channels;
            NotImplementedError for integers (RuntimeError in group_norm).
Reference:  torch.nn.functional.batch_norm, instance_norm, group_norm, and of torch.nn.SyncBatchNorm, which is for
            GPUs, batch_norm on the joint batch. Differs: nothing.
Source:     Ioffe and Szegedy, Batch normalization (2015); Ulyanov, Vedaldi and Lempitsky, Instance normalization
            (2016); Wu and He, Group normalization (2018).
"""

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.dtype import NARROW, autocast_wide, need_floating, widen
from scratch.ops.core.function import Function, in_place


class SumOverProcessesFn(Function):
    """t -> Σ t over the processes of a group; the adjoint is the same sum."""

    @staticmethod
    def forward(t, group):
        total = t.clone()
        torch.distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return SumOverProcessesFn.apply(grad, ctx.group), None


def mean(x: Tensor, dims: list[int], count: Any, group: Any) -> Tensor:
    """Over dims, and over the processes of a group where there is one."""
    if group is None:
        return x.mean(dims, keepdim=True)
    return SumOverProcessesFn.apply(x.sum(dims, keepdim=True), group) / count


class NormFn(Function):
    """x, and w and b in shapes that broadcast to it -> y, μ, v with means over dims."""

    @staticmethod
    def forward(x, weight, bias, eps, dims, count, group):
        wide = widen(x)
        mu = mean(wide, dims, count, group)
        y = wide - mu
        var = mean(y * y, dims, count, group)
        return affine(y.mul_((var + eps).rsqrt_()), weight, bias).to(x.dtype), mu, var  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, ctx.eps, ctx.dims, ctx.count, ctx.group = inputs
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)
        ctx.save_for_backward(x, weight, *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, grad_mu, grad_var):
        x, weight, mu, var = ctx.saved_tensors
        dims, count, group = ctx.dims, ctx.count, ctx.group
        r = (var + ctx.eps).rsqrt()
        centred = widen(x) - mu
        grad_x = grad_weight = grad_bias = None
        if grad is not None:
            normal, grad = centred * r, widen(grad)
            grad_weight, grad_bias = affine_adjoint(ctx, grad, normal, weight)
            if ctx.needs_input_grad[0]:
                g = grad if weight is None else grad * weight
                level, along = mean(g, dims, count, group), mean(g * normal, dims, count, group)
                if in_place(grad):
                    grad_x = normal.mul_(along).add_(level).sub_(g).mul_(r.neg_())  # (3)
                else:
                    grad_x = (g - level - normal * along) * r
        if ctx.needs_input_grad[0]:
            for factor, extra in ((1, grad_mu), (2 * centred, grad_var)):
                if extra is not None:
                    shared = extra if group is None else SumOverProcessesFn.apply(extra, group)
                    through = (factor * shared / count).expand(x.shape)
                    grad_x = through if grad_x is None else grad_x + through  # (6)
            grad_x = None if grad_x is None else grad_x.to(x.dtype)
        return grad_x, grad_weight, grad_bias, None, None, None, None


class FixedNormFn(Function):
    """x, w, b and the constants μ', v' -> y."""

    @staticmethod
    def forward(x, weight, bias, mu, var, eps):
        return affine((widen(x) - mu).mul_((var + eps).rsqrt_()), weight, bias).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, mu, var, ctx.eps = inputs
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)
        ctx.save_for_backward(x, weight, mu, var)

    @staticmethod
    def backward(ctx, grad):
        x, weight, mu, var = ctx.saved_tensors
        r, wide = (var + ctx.eps).rsqrt(), widen(grad)
        grad_x = (wide * (r if weight is None else r * weight)).to(x.dtype)  # (7)
        return grad_x, *affine_adjoint(ctx, wide, (widen(x) - mu) * r, weight), None, None, None


def affine(normal: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        normal = normal.mul_(weight)
    return normal if bias is None else normal.add_(bias)


def affine_adjoint(ctx: Any, grad: Tensor, normal: Tensor, weight: Any) -> tuple[Tensor | None, ...]:
    """(4) and (5), where they are asked for."""
    grad_weight = grad_bias = None
    if ctx.needs_input_grad[1]:
        grad_weight = unbroadcast(grad * normal, weight.shape).to(weight.dtype)
    if ctx.needs_input_grad[2]:
        shape, dtype = ctx.bias
        grad_bias = unbroadcast(grad, shape).to(dtype)
    return grad_weight, grad_bias


def check_parameters(x: Tensor, channels: int, **parameters: Tensor | None) -> None:
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        if parameter.numel() != channels:
            raise RuntimeError(f"{name} has {parameter.numel()} numbers, but there are {channels} channels")
        if parameter.dtype is not x.dtype and not (parameter.dtype is torch.float32 and x.dtype in NARROW):
            raise RuntimeError(f"{name} is {parameter.dtype}, but the input {x.dtype}")


def column(parameter: Tensor | None, x: Tensor) -> Tensor | None:
    """One number for each channel, along dimension 1 of x."""
    return None if parameter is None else parameter.reshape(-1, *(1 for _ in x.shape[2:]))


@torch.no_grad()
def track(running: Tensor, found: Tensor, momentum: float) -> None:
    running.mul_(1 - momentum).add_(found.reshape(running.shape).to(running.dtype), alpha=momentum)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """w (x − μ) r + b, with μ and r those of the batch in training, else the running ones. See the module's page."""
    return sync_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, None)


def sync_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, group) -> Tensor:
    """The same, with the means over the batches of a group of processes."""
    channels = input.shape[1]
    size = input.numel() // max(channels, 1)
    if training and size == 1 and group is None:
        raise ValueError(f"training needs more than 1 number for each channel, but got {list(input.shape)}")
    need_floating(input.dtype, "batch_norm")
    if input.numel() == 0 and group is None:
        return of_nothing(input, weight, bias)
    check_eps(eps, training)
    check_statistics(running_mean, running_var, training)
    check_parameters(input, channels, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    w, b = column(weight, input), column(bias, input)
    if not training:
        return FixedNormFn.apply(input, w, b, column(running_mean, input), column(running_var, input), eps)
    count: Any = size
    if group is not None:
        count = SumOverProcessesFn.apply(input.new_tensor(size, dtype=torch.float64), group)
    dims = [0, *range(2, input.dim())]
    y, mu, var = NormFn.apply(input, w, b, eps, dims, count, group)
    if running_mean is not None:
        track(running_mean, mu.detach(), momentum)
        track(running_var, var.detach() * (count / (count - 1)), momentum)
    return y


def of_nothing(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """The normalised form of an empty x, which parameters and statistics of any length fit, as in PyTorch."""
    y = x.clone() if weight is None else x * weight[0]
    return y if bias is None else y + bias[0]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """w (x − μ) r + b, with μ and r those of each example's channel, or the running ones. See the module's page."""
    size = input.shape[2:].numel()
    if use_input_stats and size == 1:
        raise ValueError(f"training needs more than 1 number for each instance, but got {list(input.shape)}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    need_floating(input.dtype, "instance_norm")
    if input.numel() == 0:
        return of_nothing(input, weight, bias)
    check_eps(eps, True)
    check_statistics(running_mean, running_var, True)
    check_parameters(
        input, input.shape[1], weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    dims = list(range(2, input.dim()))
    y, mu, var = NormFn.apply(input, column(weight, input), column(bias, input), eps, dims, size, None)
    if running_mean is not None and running_var is not None:
        track(running_mean, mu.detach().mean(0), momentum)
        track(running_var, var.detach().mean(0) * (size / (size - 1)), momentum)
    return y


def check_eps(eps: float, training: bool) -> None:
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be positive, or 0 outside training, but is {eps}")


def check_statistics(mean: Tensor | None, var: Tensor | None, training: bool) -> None:
    if not training and (mean is None or var is None):
        raise RuntimeError("running_mean and running_var are needed outside training")
    if (mean is None) != (var is None):
        raise ValueError("running_mean and running_var come together or not at all")


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """w (x − μ) r + b, with μ and r those of each example's group of channels. See the module's page."""
    if input.dim() < 2:
        raise RuntimeError(f"group_norm needs at least 2 dimensions, but got {input.dim()}")
    batch, channels, *rest = input.shape
    size = torch.Size(rest).numel()
    if channels == 0:
        raise RuntimeError(f"group_norm needs at least one channel, but got {list(input.shape)}")
    if batch * channels // num_groups * size == 1:
        raise ValueError(f"training needs more than 1 number for each group, but got {list(input.shape)}")
    if channels % num_groups:
        raise RuntimeError(f"{num_groups} groups do not divide {channels} channels")
    if not input.is_floating_point():
        raise RuntimeError(f"group_norm is not defined for {input.dtype}")
    input, weight, bias = autocast_wide(input, weight, bias, cpu=False)
    check_parameters(input, channels, weight=weight, bias=bias)
    if size == 0:
        raise RuntimeError(f"group_norm needs at least one number for each channel, but got {list(input.shape)}")
    grouped = input.reshape(batch, num_groups, channels // num_groups, size)
    w, b = (None if p is None else p.view(1, num_groups, -1, 1) for p in (weight, bias))
    return NormFn.apply(grouped, w, b, eps, [2, 3], channels // num_groups * size, None)[0].view(input.shape)
