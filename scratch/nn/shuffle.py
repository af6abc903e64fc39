"""PixelShuffle, PixelUnshuffle, ChannelShuffle: numbers in another order; see scratch/ops/resample/shuffle.py."""

from torch import Tensor, nn

from scratch.nn import functional as F
from scratch.nn.layer import Layer


class PixelShuffle(Layer, nn.PixelShuffle):
    """(…, C·r², H, W) → (…, C, r·H, r·W): r² channels become the pixels of one that is r times as large."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Layer, nn.PixelUnshuffle):
    """(…, C, r·H, r·W) → (…, C·r², H, W): the inverse of `PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Layer, nn.ChannelShuffle):
    """The channels of (N, C, *S), dealt out of ``groups`` stacks in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
