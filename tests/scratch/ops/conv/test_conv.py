"""Convolution's fast forms against its textbook form: all windows copied, one output at a time."""

from itertools import permutations

import pytest
import torch

from scratch.nn import functional as F
from scratch.ops.conv import conv_fast
from scratch.ops.conv.conv import ConvFn
from scratch.ops.conv.conv_fast import channels_last, convolve, geometry, gradients, plan
from scratch.ops.conv.window import Windows

SETTINGS = {  # size of x, of W, stride, padding (right to left), dilation, groups
    "plain": ((3, 2, 7, 8), (4, 2, 3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "padded": ((3, 2, 7, 8), (4, 2, 3, 2), (1, 1), (1, 2, 2, 1), (1, 1), 1),
    "strided": ((3, 2, 9, 11), (4, 2, 3, 2), (2, 3), (1, 1, 0, 0), (1, 1), 1),
    "dilated": ((3, 2, 9, 8), (4, 2, 3, 2), (2, 1), (0, 0, 2, 2), (3, 1), 1),
    "grouped": ((3, 4, 7, 8), (6, 2, 3, 3), (1, 2), (1, 1, 1, 1), (1, 1), 2),
    "depthwise": ((3, 3, 7, 8), (3, 1, 3, 3), (2, 1), (1, 1, 1, 1), (1, 1), 3),
    "one window": ((3, 2, 3, 5), (4, 2, 3, 3), (2, 1), (0, 0, 0, 0), (1, 1), 1),
    "pointwise": ((3, 2, 4, 5), (4, 2, 1, 1), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "volume": ((2, 2, 5, 4, 6), (3, 2, 3, 2, 3), (2, 1, 1), (1, 1, 0, 0, 1, 1), (1, 1, 1), 1),
    "line": ((3, 2, 9), (4, 2, 3), (2,), (1, 1), (1,), 1),
}
MIRRORED = {
    "wide": ((2, 2, 6, 7), (3, 2, 3, 2), (1, 1), (2, 0, 1, 3), (2, 2), 1),
    "row": ((2, 2, 9), (3, 2, 3), (1,), (1, 0), (2,), 1),
}
FORMS = [(block, shift) for block in (1, 2, 3, 4) for shift in (False, True)]


def tensors(x, weight):
    generator = torch.Generator().manual_seed(0)
    bias = weight[:1]
    return [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in (x, weight, bias)]


def places(x, weight, stride, padding, dilation, groups):
    return Windows(x[2:], weight[2:], stride, padding, dilation), groups


def upstream(y):
    return torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)


def textbook(x, weight, bias, windows, groups):
    """y, x̄, W̄, b̄ by the formulas of the page"""
    y = ConvFn.value(x, weight, bias, windows, groups)
    return y, *ConvFn.adjoint(upstream(y), x, weight, windows, groups)


def fast(x, weight, bias, g):
    """The same by matrices of this geometry"""
    y = convolve(x, weight, bias, g)
    return y, *gradients(upstream(y), g, weight, x, bias=True)


@torch.no_grad()
@pytest.mark.parametrize(("block", "shift"), FORMS)
@pytest.mark.parametrize("name", SETTINGS)
def test_fast_forms_are_the_textbook_form(name, block, shift):
    x, weight, *options = SETTINGS[name]
    if shift and len(x) == 3:
        pytest.skip("the only dimension of a line goes by windows")
    inputs, where = tensors(x, weight), places(x, weight, *options)
    g = geometry(weight, *where, block, shift)
    assert (g.block, len(g.shifts)) == (block, weight[2] if shift else 1)
    torch.testing.assert_close(fast(*inputs, g), textbook(*inputs, *where), rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 2, 3, 4])
@pytest.mark.parametrize("name", SETTINGS)
def test_windows_in_columns_are_those_in_rows_in_another_order_of_memory(name, block):
    x, weight, *options = SETTINGS[name]
    g = geometry(weight, *places(x, weight, *options), block)
    images = torch.arange(float(torch.Size(x).numel())).view(x)
    rows, columns = g.window_rows(images), g.window_columns(images)
    assert rows.equal(columns)
    assert rows.is_contiguous()
    assert columns.mT.is_contiguous()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_third_derivatives(order):
    """⟨ȳ, conv(x, W)⟩ by each of its three factors, in every order, as torch's."""
    shapes, generator = ((2, 4, 6, 7), (5, 4, 3, 3), (2, 5, 6, 7)), torch.Generator().manual_seed(0)
    factors, directions = (
        [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
        for _ in ("where", "along which")
    )

    def differentiated(conv2d):
        x, weight, upstream = factors
        value = (conv2d(x, weight, padding=1) * upstream).sum()
        for factor in order:
            (grad,) = torch.autograd.grad(value, factors[factor], create_graph=True)
            value = (grad * directions[factor]).sum()
        return value

    torch.testing.assert_close(differentiated(F.conv2d), differentiated(torch.conv2d), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "weight", "block", "shifts"),
    [
        ((28, 28), (6, 1, 5, 5), 4, 1),
        ((14, 14), (16, 6, 5, 5), 2, 5),
        ((14, 14), (20, 10, 5, 5), 2, 1),
        ((32, 32), (64, 3, 3, 3), 2, 1),
        ((28, 28), (64, 64, 3, 3), 1, 3),
    ],
)
def test_the_plan_is_what_was_measured_to_be_fast(size, weight, block, shifts):
    padding = (weight[-1] // 2,) * 4 if weight[1] != 6 else (0,) * 4
    g = plan(weight, Windows(size, weight[2:], (1, 1), padding, (1, 1)), 1)
    assert (g.block, len(g.shifts), g.mirror is None) == (block, shifts, block > 1)


@torch.no_grad()
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("plain", True),
        ("padded", False),
        ("volume", False),
        ("strided", False),
        ("grouped", False),
        ("wide", True),
        ("row", True),
    ],
)
def test_gradients_by_the_mirror(name, there, shift):
    x, weight, *options = SETTINGS[name] if name in SETTINGS else MIRRORED[name]
    inputs, where = tensors(x, weight), places(x, weight, *options)
    g = geometry(weight, *where, 1, shift and len(x) > 3, mirror=True)
    assert (g.mirror is not None) == there
    torch.testing.assert_close(fast(*inputs, g), textbook(*inputs, *where), rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("name", ["padded", "grouped"])
def test_a_batch_in_parts(name, monkeypatch):
    x, weight, *options = SETTINGS[name]
    inputs, where = tensors(x, weight), places(x, weight, *options)
    g = plan(weight, *where)
    monkeypatch.setattr(conv_fast, "CACHE", 1)
    assert len(conv_fast.parts(inputs[0], g)) == x[0]
    torch.testing.assert_close(fast(*inputs, g), textbook(*inputs, *where), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(3, 16, 8, 16), (0, 16, 8, 16), (3, 16, 8, 15)])
def test_channels_are_moved_apart_in_memory(size):
    x = torch.randn(size, dtype=torch.float64)
    with torch.no_grad():
        moved = channels_last(x)
    assert torch.equal(moved, x.movedim(1, -1))
    assert (moved.stride(-1) != x.stride(1)) == (size == (3, 16, 8, 16))
    inputs = [x.requires_grad_(), torch.randn(5, 16, 3, 3, dtype=x.dtype, requires_grad=True)]
    ours, theirs = (f.conv2d(*inputs, padding=1) for f in (F, torch.nn.functional))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for mine, native in zip(*(torch.autograd.grad(y.square().sum(), inputs) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, native, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_any_memory_layout_goes_in_and_torchs_comes_out(name, kernel):
    x, weight, bias = tensors((2, 4, 6, 7), (4, 4, kernel, kernel))
    last = [t.contiguous(memory_format=torch.channels_last) for t in (x, weight)]
    across = x.transpose(2, 3).contiguous().transpose(2, 3)
    for given, kernels in ((x, weight), (last[0], weight), (x, last[1]), (across, weight)):
        y, expected = (getattr(package, name)(given, kernels, bias) for package in (F, torch))
        assert y.stride() == expected.stride()
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_vmap_over_weights_of_one_input(name):
    x, weights, _ = tensors((2, 4, 6, 7), (3, 4, 4, 3, 3))

    def gradient(weight):
        return torch.func.grad(lambda w: getattr(F, name)(x, w, padding=1).sin().sum())(weight)

    batched = torch.func.vmap(gradient)(weights)
    torch.testing.assert_close(batched, torch.stack([gradient(w) for w in weights]), rtol=1e-12, atol=1e-12)


def test_autocast():
    x, weight, bias = (t.detach().float().requires_grad_() for t in tensors((2, 4, 6, 7), (5, 4, 3, 3)))
    with torch.autocast("cpu", torch.bfloat16):
        y = F.conv2d(x, weight, bias)
        expected = torch.conv2d(x, weight, bias)
    assert y.dtype == expected.dtype == torch.bfloat16
    y.float().sum().backward()
    assert all(t.grad.dtype == torch.float32 for t in (x, weight, bias))


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "groups": 2}])
def test_compiles_whole(options):
    x, weight, bias = tensors((2, 4, 6, 7), (6, 4 // options.get("groups", 1), 3, 3))
    compiled = torch.compile(lambda *t: F.conv2d(*t, **options), fullgraph=True, backend="aot_eager")
    for run in (compiled, F.conv2d):
        kwargs = {} if run is compiled else options
        y = run(x, weight, bias, **kwargs)
        gradients = torch.autograd.grad(y.sin().sum(), (x, weight, bias))
        if run is compiled:
            first = (y, *gradients)
    for a, b in zip(first, (y, *gradients), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
