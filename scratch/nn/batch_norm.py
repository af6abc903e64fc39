"""Normalisation of batches and instances: parameters and running statistics; the mathematics is in
scratch/ops/norm/batch_norm.py."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn import Module, Parameter, init

from scratch.nn import functional as F
from scratch.nn.functional.norm import sync_batch_norm
from scratch.nn.layer import Layer
from scratch.ops.core.warning import warn


class _NormBase(Layer):
    """w starts as ones, b as zeros; the running mean as zeros, the running variance as ones."""

    _version = 2
    dims: tuple[int, ...]  # of inputs
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            empty = Parameter(torch.empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, empty)
        for name in ("running_mean", "running_var"):
            buffer = torch.empty(num_features, device=device, dtype=dtype) if track_running_stats else None
            self.register_buffer(name, buffer)
        count = torch.tensor(0, dtype=torch.long, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                assert buffer is not None
                buffer.fill_(value)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self.dims:
            raise ValueError(f"{type(self).__name__} takes {self.dims} dimensions, but got {input.dim()}")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args: Any) -> None:
        if (local_metadata.get("version") or 0) < 2 and self.num_batches_tracked is not None:
            # older checkpoints did not count batches
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    def group(self) -> Any:
        """The processes to normalise with, None for this one alone."""
        return None

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # all batches count the same
                momentum = 1 / float(self.num_batches_tracked)
        statistics = (self.running_mean, self.running_var)
        if self.training and not self.track_running_stats:
            statistics = (None, None)
        training = self.training or (self.running_mean is None and self.running_var is None)
        options = (*statistics, self.weight, self.bias, training, momentum, self.eps)
        group = self.group() if self.training else None
        return F.batch_norm(input, *options) if group is None else sync_batch_norm(input, *options, group)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """y = w (x − μ) r + b for x (N, C) or (N, C, L), with μ and r of the batch in training, else the running ones."""

    dims = (2, 3)


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """y = w (x − μ) r + b for x (N, C, H, W), with μ and r of the batch in training, else the running ones."""

    dims = (4,)


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """y = w (x − μ) r + b for x (N, C, D, H, W), with μ and r of the batch in training, else the running ones."""

    dims = (5,)


class SyncBatchNorm(_BatchNorm, nn.modules.batchnorm._BatchNorm):
    """BatchNorm on the batches of all processes together; with one process the same as BatchNorm. On any device."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any | None = None,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"SyncBatchNorm takes at least 2 dimensions, but got {input.dim()}")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm needs at least one channel")

    def group(self) -> Any:
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return None
        group = self.process_group or torch.distributed.group.WORLD
        return group if torch.distributed.get_world_size(group) > 1 else None

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any | None = None) -> Module:
        """The module with every BatchNorm in it replaced; parameters and buffers are shared."""
        converted = module
        if isinstance(module, _BatchNorm):
            options = (module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            converted = cls(module.num_features, *options, bias=module.bias is not None)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(converted, name, getattr(module, name))
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        unbatched = input.dim() == self._get_no_batch_dim()
        channels = input.shape[0 if unbatched else 1]
        if channels != self.num_features:
            message = f"the input has {channels} channels, but num_features is {self.num_features}"
            if self.affine:
                raise ValueError(message)
            warn(f"{message}, which is not used because affine=False", stacklevel=2)
        return self._handle_no_batch_input(input) if unbatched else self._apply_instance_norm(input)

    # the parts of it, under torch's names, for subclasses

    def _get_no_batch_dim(self) -> int:
        return self.dims[0]

    def _handle_no_batch_input(self, input: Tensor) -> Tensor:
        return self._apply_instance_norm(input[None])[0]

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """y = w (x − μ) r + b for x (N, C, L) or (C, L), with μ and r those of each example's channel."""

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """y = w (x − μ) r + b for x (N, C, H, W) or (C, H, W), with μ and r those of each example's channel."""

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """y = w (x − μ) r + b for x (N, C, D, H, W) or (C, D, H, W), with μ and r those of each example's channel."""

    dims = (4, 5)
