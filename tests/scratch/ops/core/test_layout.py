"""What torch's kernels give with channels last for an input with channels last, ours do, too: they feed others."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import scratch.nn.functional as ours

IMAGES = {
    "adaptive_avg_pool2d": lambda f, x: f(x, 2),
    "adaptive_avg_pool2d to one": lambda f, x: f(x, 1),
    "adaptive_max_pool2d": lambda f, x: f(x, (2, 3), return_indices=True),
    "avg_pool2d": lambda f, x: f(x, 2, 1),
    "channel_shuffle": lambda f, x: f(x, 2),
    "interpolate nearest": lambda f, x: f(x, scale_factor=2),
    "interpolate bilinear": lambda f, x: f(x, (3, 7), mode="bilinear"),
    "max_pool2d": lambda f, x: f(x, 3, 2, 1, return_indices=True),
    "max_unpool2d": lambda f, x: f(x, torch.arange(24).view(1, 1, 4, 6).expand(x.shape).long(), 1, output_size=(4, 6)),
    "pad reflect": lambda f, x: f(x, (1, 2, 0, 1), "reflect"),
    "pad replicate": lambda f, x: f(x, (1, 2, 0, 1), "replicate"),
    "pixel_shuffle": lambda f, x: f(x, 2),
    "pixel_unshuffle": lambda f, x: f(x, 2),
}
VOLUMES = {
    "interpolate nearest": lambda f, x: f(x, scale_factor=2),
    "max_pool3d": lambda f, x: f(x, 2, return_indices=True),
    "pad reflect": lambda f, x: f(x, (1, 1, 1, 1, 0, 1), "reflect"),
}
CASES = [(name, call, torch.channels_last) for name, call in IMAGES.items()]
CASES += [(name, call, torch.channels_last_3d) for name, call in VOLUMES.items()]


@pytest.mark.parametrize(
    ("name", "call", "memory_format"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_channels_last(name, call, memory_format):
    shape = (2, 8, 4, 6) if memory_format is torch.channels_last else (2, 4, 4, 4, 4)
    x = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_()
    expected, found = (call(getattr(package, name.split()[0]), x) for package in (F, ours))
    sides = zip(*[output if isinstance(output, tuple) else (output,) for output in (found, expected)], strict=True)
    for ours_is, torchs in sides:
        assert ours_is.stride() == torchs.stride()
        torch.testing.assert_close(ours_is, torchs)
    gradients = [torch.autograd.grad(first(output).square().sum(), x)[0] for output in (found, expected)]
    torch.testing.assert_close(*gradients)


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def test_channels_first_stay():
    x = torch.randn(2, 8, 4, 6)
    assert ours.max_pool2d(x, 2).is_contiguous()
    assert ours.pad(x, (1, 1, 1, 1), "reflect").is_contiguous()
