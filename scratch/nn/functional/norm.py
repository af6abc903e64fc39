"""The normalisations of torch.nn.functional: their signatures and what they refuse; the mathematics is in ops/norm/."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.dtype import NARROW, autocast_wide, need_floating, wide_type
from scratch.ops.core.layout import ordered
from scratch.ops.norm import batch_norm as batches
from scratch.ops.norm import group_norm as groups
from scratch.ops.norm.layer_norm import layer_norm as normalise_rows
from scratch.ops.norm.local_response_norm import local_response_norm as damp
from scratch.ops.norm.rms_norm import rms_norm as scale_rows


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
    """w (x − μ) r + b, with μ and r those of the batch in training, else the running ones."""
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be positive, or 0 outside training, but is {eps}")
    return sync_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, None)


def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    group: Any,
) -> Tensor:
    """Batch normalisation with the means over the batches of a group of processes."""
    need_floating(input.dtype, "batch_norm")
    if input.numel() == 0 and group is None:
        return of_nothing(input, weight, bias)
    channels = input.shape[1]
    if training and group is None and input.numel() == channels > 0:
        raise ValueError(f"training needs more than 1 number for each channel, but got {list(input.shape)}")
    check_statistics(running_mean, running_var, training)
    check_parameters(input, channels, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    input = ordered(input)
    if training:
        return batches.batch_norm(input, weight, bias, running_mean, running_var, momentum, eps, group)
    return batches.fixed_norm(input, weight, bias, running_mean, running_var, eps)  # type: ignore[arg-type]


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
    """w (x − μ) r + b, with μ and r those of each example's channel, or the running ones."""
    if use_input_stats and input.shape[2:].numel() == 1:
        raise ValueError(f"training needs more than 1 number for each instance, but got {list(input.shape)}")
    if not use_input_stats:
        return sync_batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps, None)
    need_floating(input.dtype, "instance_norm")
    if input.numel() == 0:
        return of_nothing(input, weight, bias)
    check_statistics(running_mean, running_var, True)
    check_parameters(
        input, input.shape[1], weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    return batches.instance_norm(input.contiguous(), weight, bias, running_mean, running_var, momentum, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """w (x − μ) r + b, with μ and r those of each example's group of channels."""
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
    return groups.group_norm(ordered(input), num_groups, weight, bias, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """w (x − μ) r + b over the last dimensions, which are normalized_shape."""
    need_floating(input.dtype, "layer_norm")
    input, weight, bias = autocast_wide(input, weight, bias, cpu=False)
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None or parameter.dtype is input.dtype:
            continue
        if parameter.dtype is not torch.float32 or input.dtype not in NARROW:
            raise RuntimeError(f"{name} is {parameter.dtype}, but the input {input.dtype}")
    x, weight, bias = rows_of(input, normalized_shape, weight, bias)
    return in_shape(normalise_rows(x, weight, bias, eps), input.shape)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """w x r over the last dimensions, which are normalized_shape."""
    need_floating(input.dtype, "rms_norm", or_complex=True)
    input, weight = autocast_wide(input, weight, cpu=False)
    if input.dim() < len(normalized_shape):
        raise ValueError(f"the input needs {len(normalized_shape)} dimensions, but has {input.dim()}")
    x, weight, _ = rows_of(input, normalized_shape, weight)
    if eps is None:
        eps = torch.finfo(wide_type(x)).eps
    return in_shape(scale_rows(x, weight, eps), input.shape)


def rows_of(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None = None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Check that x ends in ``shape`` and that weight and bias have it; then x as (N, D), the others as (D,)."""
    shape = tuple(shape)
    if not shape:
        raise RuntimeError("normalized_shape needs at least one dimension")
    if tuple(x.shape[-len(shape) :]) != shape:
        raise RuntimeError(f"the input must end in {shape}, but has the shape {tuple(x.shape)}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(f"{name} must have the shape {shape}, but has {tuple(parameter.shape)}")
    size = math.prod(shape)
    if len(shape) > 1:
        weight, bias = (None if parameter is None else parameter.reshape(size) for parameter in (weight, bias))
    return in_shape(x, (math.prod(x.shape[: -len(shape)]), size)).contiguous(), weight, bias


def in_shape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x as (*shape); x itself where it has this shape, which spares a small call a tenth of its time."""
    return x if x.shape == tuple(shape) else x.reshape(shape)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + α mean x²)^β, the mean over ``size`` neighbouring channels."""
    if input.dim() < 3:
        raise ValueError(f"local_response_norm needs at least 3 dimensions, but got {input.dim()}")
    if input.numel() == 0:
        return input
    if size < 1:
        raise RuntimeError(f"size must be at least 1, but is {size}")
    if input.dtype is not torch.int64:
        need_floating(input.dtype, "local_response_norm")
    (input,) = autocast_wide(input, cpu=input.dim() > 3, gpu=False)
    return damp(input, size, alpha, beta, k)


def check_parameters(x: Tensor, channels: int, **parameters: Tensor | None) -> None:
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        if parameter.numel() != channels:
            raise RuntimeError(f"{name} has {parameter.numel()} numbers, but there are {channels} channels")
        if parameter.dtype is not x.dtype and not (parameter.dtype is torch.float32 and x.dtype in NARROW):
            raise RuntimeError(f"{name} is {parameter.dtype}, but the input {x.dtype}")


def check_statistics(mean: Tensor | None, var: Tensor | None, training: bool) -> None:
    if not training and (mean is None or var is None):
        raise RuntimeError("running_mean and running_var are needed outside training")
    if (mean is None) != (var is None):
        raise ValueError("running_mean and running_var come together or not at all")
