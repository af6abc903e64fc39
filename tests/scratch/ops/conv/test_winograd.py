"""Convolution by Winograd's products against its textbook form, and where it is taken."""

import pytest
import torch

from scratch.ops.conv import winograd
from scratch.ops.conv.conv import ConvFn
from scratch.ops.conv.window import Windows
from scratch.testing import CHECKS
from scratch.testing.cases import CASES
from tests.conftest import case_parameters


def places(size, padding):
    return Windows(size, (3, 3), (1, 1), padding, (1, 1))


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 1024])
@pytest.mark.parametrize(
    ("size", "padding"),
    [
        ((6, 8), (1, 1, 1, 1)),
        ((7, 5), (0, 0, 0, 0)),
        ((3, 3), (0, 0, 0, 0)),
        ((5, 4), (2, 1, 0, 2)),
        ((4, 5), (3, 0, 1, 4)),
    ],
)
def test_it_is_the_textbook_form(size, padding, rows, bias, monkeypatch):
    """For even and odd sizes, any padding, also more than a kernel reaches, and image by image."""
    monkeypatch.setattr(winograd, "ROWS", rows)
    generator, windows = torch.Generator().manual_seed(0), places(size, padding)
    x, W, b, y_bar = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((3, 4, *size), (5, 4, 3, 3), (5,), (3, 5, *windows.output))
    )
    y = winograd.convolve(x, W, b if bias else None, windows)
    found = y, winograd.input_gradient(y_bar, W, windows), winograd.weight_gradient(y_bar, x, windows)
    wanted = ConvFn.value(x, W, b if bias else None, windows, 1), *ConvFn.adjoint(y_bar, x, W, windows, 1)[:2]
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "W", "taken"),
    [
        ((16, 128, 28, 28), (128, 128, 3, 3), True),
        ((4, 256, 14, 14), (256, 256, 3, 3), True),
        ((8, 512, 7, 7), (512, 512, 3, 3), True),
        ((2, 512, 7, 7), (512, 512, 3, 3), False),  # transforming the kernels takes as long as it saves
        ((16, 64, 32, 32), (64, 64, 3, 3), False),
        ((16, 128, 28, 28), (64, 128, 3, 3), False),
        ((16, 128, 28, 28), (128, 128, 1, 1), False),
    ],
)
def test_it_is_taken_where_it_was_measured_to_be_fast(x, W, taken):
    windows = Windows(x[2:], W[2:], (1, 1), (1, 1, 1, 1), (1, 1))
    x, W = torch.empty(x), torch.empty(W)
    assert winograd.pays(x, W, windows, 1) == taken
    assert not winograd.pays(x, W, windows, 2)
    assert not winograd.pays(x, W, windows._replace(stride=(2, 1)), 1)
    assert not winograd.pays(x, W, windows._replace(dilation=(1, 2)), 1)
    assert not winograd.pays(x.bfloat16(), W.bfloat16(), windows, 1)


@torch.no_grad()
def test_in_float32_it_is_about_as_exact_as_torch():
    generator = torch.Generator().manual_seed(0)
    x, W = (torch.randn(shape, generator=generator) for shape in ((4, 128, 28, 28), (128, 128, 3, 3)))
    exact = torch.conv2d(x.double(), W.double(), padding=1)
    ours, theirs = winograd.convolve(x, W, None, places((28, 28), (1, 1, 1, 1))), torch.conv2d(x, W, padding=1)
    assert (ours - exact).abs().max() <= 3 * (theirs - exact).abs().max()


SQUARE = [c for c in CASES if c.name == "Conv2d" and c.args[2:3] == (3,)]
SHORT = {name: CHECKS[name] for name in ("outputs", "gradients", "layouts", "untouched", "twice", "float32")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "check"),
    case_parameters(SQUARE, SHORT, "scratch.nn", "torch.nn"),
)
def test_every_case_by_it(case, check, monkeypatch):
    monkeypatch.setattr(winograd, "CHANNELS", 1)
    monkeypatch.setattr(winograd, "WORTH", 1)
    check(case, "scratch.nn", "torch.nn")
