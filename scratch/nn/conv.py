"""Convolution layers: parameters and their initialisation; the mathematics is in scratch/ops/conv.py."""

import math

import torch
from torch import Tensor
from torch.nn import Module, Parameter, init

from scratch.nn import functional as F
from scratch.ops.conv import padding_amounts
from scratch.ops.window import Sizes, pair


class Conv2d(Module):
    """y = b + W * x with weight (out_channels, in_channels/groups, *kernel_size) and bias (out_channels,).

    Initialised uniformly in ±1/√fan_in, fan_in = in_channels/groups · kernel height · kernel width, as
    torch.nn.Conv2d, from the same random numbers.
    """

    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        if groups <= 0 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups must be positive and divide in_channels and out_channels, but got {groups}, "
                f"{in_channels}, {out_channels}"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"padding_mode {padding_mode!r}: legal are zeros, reflect, replicate, circular")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"padding {padding!r}: legal are 'same', 'valid' and numbers")
        if padding == "same" and any(s != 1 for s in pair(stride)):
            raise ValueError(f"padding='same' goes with stride 1 only, but got {stride}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = pair(kernel_size), pair(stride), pair(dilation)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.groups, self.padding_mode = groups, padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # ±1/√fan_in, in torch's own rounding
        if self.bias is not None:
            fan_in = self.weight.shape[1:].numel()
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        padding: str | int | Sizes = self.padding
        if self.padding_mode != "zeros":
            amounts = padding_amounts(padding, self.kernel_size, self.stride, self.dilation)
            input, padding = F.pad(input, amounts, self.padding_mode), 0
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text
