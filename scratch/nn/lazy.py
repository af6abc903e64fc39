"""Lazy layers: they take the size of their input from the first one, and become their namesake without Lazy.

torch's mixin keeps the order of things: parameters without a shape, a hook before the first call that gives them one
by ``initialize_parameters``, and the change of class after it. Only its constructor is ours, as a layer's goes past
everything of torch's.
"""

# torch declares its mixin's methods for a protocol of its own, and no arguments of its parameters:
# mypy: disable-error-code="attr-defined, call-arg, misc, override"

from typing import Any

from torch import Tensor, nn, no_grad
from torch.nn import UninitializedBuffer, UninitializedParameter
from torch.nn.modules.lazy import LazyModuleMixin

from scratch.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from scratch.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from scratch.nn.linear import Linear
from scratch.ops.conv.window import Sizes


class Lazy(LazyModuleMixin):
    """What all lazy layers share: the attribute ``size_name`` is 0 until the first input says what it is."""

    size_name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def size_in(self, input: Tensor) -> int:
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all parameters and buffers that have none yet, once the size is known."""
        raise NotImplementedError

    def forget(self, bias: bool, device, dtype) -> None:
        """Make weight, and bias if wanted, parameters without a shape."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and getattr(self, self.size_name) != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        setattr(self, self.size_name, self.size_in(input))
        if self.has_uninitialized_params():
            with no_grad():
                for name, shape in self.shapes().items():
                    if getattr(self, name) is not None:
                        getattr(self, name).materialize(shape)
                self.reset_parameters()


class LazyLinear(Lazy, Linear, nn.LazyLinear):
    """`Linear` with in_features from the last dimension of the first input."""

    cls_to_become = Linear
    size_name = "in_features"

    def __init__(self, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.forget(bias, device, dtype)

    def size_in(self, input: Tensor) -> int:
        return input.shape[-1]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}


class LazyConvNd(Lazy):
    """Lazy convolutions: in_channels from the first input, which may be unbatched."""

    size_name = "in_channels"
    dims: int
    groups: int
    in_channels: int
    out_channels: int
    weight_shape: Any

    def size_in(self, input: Tensor) -> int:
        if input.dim() not in (self.dims + 1, self.dims + 2):
            raise RuntimeError(
                f"expected (N, C, *S) or (C, *S) with {self.dims} dimensions S, but got {tuple(input.shape)}"
            )
        channels = input.shape[-self.dims - 1]
        if channels % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {channels} channels")
        return channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": self.weight_shape(), "bias": (self.out_channels,)}


class LazyConv(LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: str | int | Sizes = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self.out_channels = out_channels
        self.forget(bias, device, dtype)


class LazyConvTranspose(LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: int | Sizes = 0,
        output_padding: int | Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sizes = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        options = stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        super().__init__(0, 0, kernel_size, *options)
        self.out_channels = out_channels
        self.forget(bias, device, dtype)


class LazyNorm(Lazy):
    """Lazy normalisations: num_features from the second dimension of the first input."""

    size_name = "num_features"
    num_features: int

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, track_running_stats, device, dtype)
        self.affine = affine
        if affine:
            self.forget(bias, device, dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)

    def size_in(self, input: Tensor) -> int:
        return input.shape[1]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))


class LazyConv1d(LazyConv, Conv1d, nn.LazyConv1d):
    """`Conv1d` with in_channels from the first input."""

    cls_to_become = Conv1d


class LazyConv2d(LazyConv, Conv2d, nn.LazyConv2d):
    """`Conv2d` with in_channels from the first input."""

    cls_to_become = Conv2d


class LazyConv3d(LazyConv, Conv3d, nn.LazyConv3d):
    """`Conv3d` with in_channels from the first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(LazyConvTranspose, ConvTranspose1d, nn.LazyConvTranspose1d):
    """`ConvTranspose1d` with in_channels from the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(LazyConvTranspose, ConvTranspose2d, nn.LazyConvTranspose2d):
    """`ConvTranspose2d` with in_channels from the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(LazyConvTranspose, ConvTranspose3d, nn.LazyConvTranspose3d):
    """`ConvTranspose3d` with in_channels from the first input."""

    cls_to_become = ConvTranspose3d


class LazyBatchNorm1d(LazyNorm, BatchNorm1d, nn.LazyBatchNorm1d):
    """`BatchNorm1d` with num_features from the first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(LazyNorm, BatchNorm2d, nn.LazyBatchNorm2d):
    """`BatchNorm2d` with num_features from the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(LazyNorm, BatchNorm3d, nn.LazyBatchNorm3d):
    """`BatchNorm3d` with num_features from the first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(LazyNorm, InstanceNorm1d, nn.LazyInstanceNorm1d):
    """`InstanceNorm1d` with num_features from the first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(LazyNorm, InstanceNorm2d, nn.LazyInstanceNorm2d):
    """`InstanceNorm2d` with num_features from the first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(LazyNorm, InstanceNorm3d, nn.LazyInstanceNorm3d):
    """`InstanceNorm3d` with num_features from the first input."""

    cls_to_become = InstanceNorm3d
