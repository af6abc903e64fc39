"""Values known without PyTorch: by finite differences, many digits, brute force, or because the numbers are chosen so.

A section for each kind of mistake that was once found, over all layers and functions that could share its cause.
"""

import itertools
import math
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import grad

import scratch.nn as nn
from scratch.nn import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")
DOUBLE = torch.float64


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = DOUBLE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def complexes(*shape: int, seed: int = 0) -> Tensor:
    return drawn(*shape, seed=seed, dtype=torch.complex128)


# Complex numbers: x̄ is the gradient by the real part plus i times that by the imaginary part.


def recurrent(kind: str) -> Callable[[Tensor], Tensor]:
    layer = getattr(nn, kind)(3, 4, dtype=torch.complex128)
    for i, parameter in enumerate(layer.parameters()):
        parameter.data = 0.3 * complexes(*parameter.shape, seed=i)
    return lambda x: layer(x)[0]


COMPLEX: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
    "linear": ((2, 3), lambda x: F.linear(x, complexes(4, 3, seed=1), complexes(4, seed=2))),
    "linear's weight": ((4, 3), lambda w: F.linear(complexes(2, 3, seed=1), w)),
    "bilinear": ((2, 3), lambda x: F.bilinear(x, complexes(2, 4, seed=1), complexes(2, 3, 4, seed=2))),
    "bilinear's weight": ((2, 3, 4), lambda w: F.bilinear(complexes(2, 3, seed=1), complexes(2, 4, seed=2), w)),
    "conv1d": ((1, 2, 6), lambda x: F.conv1d(x, complexes(3, 2, 3, seed=1), padding=1)),
    "conv2d": ((1, 2, 4, 4), lambda x: F.conv2d(x, complexes(2, 1, 3, 3, seed=1), stride=2, padding=1, groups=2)),
    "conv2d's weight": ((2, 2, 3, 3), lambda w: F.conv2d(complexes(1, 2, 4, 4, seed=1), w, padding=1)),
    "conv_transpose2d": ((1, 2, 2, 3), lambda x: F.conv_transpose2d(x, complexes(2, 2, 2, 2, seed=1), stride=2)),
    "attention's products": ((1, 2, 3), lambda q: F.multiplicative_scores(q, complexes(1, 4, 3, seed=1))),
    "LSTM": ((3, 2, 3), recurrent("LSTM")),
    "GRU": ((3, 2, 3), recurrent("GRU")),
    "RNN": ((3, 2, 3), recurrent("RNN")),
    "sigmoid": ((4,), F.sigmoid),
    "tanh": ((4,), F.tanh),
    "silu": ((4,), F.silu),
    "softsign": ((4,), F.softsign),
    "tanhshrink": ((4,), F.tanhshrink),
    "rms_norm": ((2, 3), lambda x: F.rms_norm(x, (3,), complexes(3, seed=1))),
    "l1_loss": ((4,), lambda x: F.l1_loss(x, complexes(4, seed=1))),
    "poisson_nll_loss": ((4,), lambda x: F.poisson_nll_loss(x, complexes(4, seed=1))),
    "embedding's weight": ((3, 2), lambda w: F.embedding(torch.tensor([0, 2, 0]), w)),
    "avg_pool2d": ((1, 1, 4, 4), lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
    "adaptive_avg_pool1d": ((1, 2, 5), lambda x: F.adaptive_avg_pool1d(x, 3)),
    "unfold": ((1, 1, 3, 3), lambda x: F.unfold(x, 2)),
    "pad": ((1, 1, 4), lambda x: F.pad(x, (2, 1), "circular")),
    **{
        f"pairwise_distance, p = {p}": ((3, 2), lambda x, p=p: F.pairwise_distance(x, complexes(3, 2, seed=1), p))
        for p in (1.0, 1.5, 2.0, 3.0, math.inf, -math.inf)
    },
    **{f"normalize, p = {p}": ((3, 2), lambda x, p=p: F.normalize(x, p)) for p in (1.0, 2.0, 3.0, math.inf)},
}


def along(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, step: float = 1e-4) -> Tensor:
    """The derivative of a real function along a direction, by differences of fourth order."""
    near, far = (function(x + k * step * direction) - function(x - k * step * direction) for k in (1, 2))
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradient(name: str) -> None:
    shape, function = COMPLEX[name]
    x, direction = complexes(*shape, seed=7), complexes(*shape, seed=8)
    upstream = complexes(*function(x).shape, seed=9)

    def number(x: Tensor) -> Tensor:
        return (upstream.conj() * function(x)).real.sum()

    def first(x: Tensor) -> Tensor:
        """How the number changes along the direction."""
        x = x if x.requires_grad else x.clone().requires_grad_()
        return (grad(number(x), x, create_graph=True)[0].conj() * direction).real.sum()

    torch.testing.assert_close(first(x), along(number, x, direction), rtol=1e-7, atol=1e-8)
    leaf, other = x.clone().requires_grad_(), complexes(*shape, seed=10)
    found = first(leaf)
    second = grad(found, leaf)[0] if found.requires_grad else torch.zeros_like(x)
    expected = along(lambda x: first(x).detach(), x, other)
    torch.testing.assert_close((second.conj() * other).real.sum(), expected, rtol=1e-6, atol=1e-7)


def test_example_of_the_complex_adjoint() -> None:
    x = torch.tensor([[2 - 1j]], requires_grad=True)
    w = torch.tensor([[1 + 3j]], requires_grad=True)
    gradient_x, gradient_w = grad(F.linear(x, w).sum().real, (x, w))
    assert gradient_x.item() == 1 - 3j
    assert gradient_w.item() == 2 + 1j


# Whole numbers.


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_images_of_whole_numbers_keep_their_pixels(mode: str, dtype: torch.dtype) -> None:
    x = torch.arange(2 * 3 * 4).reshape(1, 2, 3, 4).to(dtype)
    expected = x.repeat_interleave(3, 2).repeat_interleave(2, 3)
    assert torch.equal(F.interpolate(x, scale_factor=(3, 2), mode=mode), expected)


@pytest.mark.parametrize("options", [{"mode": "bilinear"}, {"mode": "bicubic"}, {"mode": "bicubic", "antialias": True}])
def test_images_of_bytes_are_those_of_numbers_rounded(options: dict) -> None:
    x = torch.randint(256, (1, 3, 9, 11), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for size in ((18, 22), (5, 6), (9, 30)):
        exact = F.interpolate(x.double(), size, **options).clamp(0, 255)
        found = F.interpolate(x, size, **options)
        assert found.dtype is torch.uint8
        # rounded after each axis, with weights of fifteen bits; what one axis cuts off, the other had in between
        assert (found.double() - exact).abs().quantile(0.9) <= 1


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_a_class_is_not_compared_after_wrapping(loss: Callable[..., Tensor]) -> None:
    """156 as an unsigned byte is −100 as a signed one, which is the default ignore_index."""
    x = drawn(3, 200)
    target = torch.tensor([156, 3, 199])
    for reduction in ("mean", "sum", "none"):
        found = loss(x, target.to(torch.uint8), reduction=reduction)
        torch.testing.assert_close(found, loss(x, target, reduction=reduction), rtol=0, atol=0)


INTEGERS = torch.tensor([[3, 0, 7, 2], [1, 5, 4, 6]])
OF_INTEGERS: dict[str, Callable[[Tensor], Tensor]] = {
    "pairwise_distance": lambda x: F.pairwise_distance(x[:1], x[1:]),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x[:1], x[1:], x[:1], margin=9.5),
    "poisson_nll_loss": lambda x: F.poisson_nll_loss(x[0], x[1]),
    "gaussian_nll_loss": lambda x: F.gaussian_nll_loss(x[0], x[1], 0.25),
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x[0], x[1], torch.ones_like(x[0]), 0.5),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, -torch.ones_like(INTEGERS), 4.5),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(x[:1], x[1:], torch.tensor([1])),
    "cosine_similarity with numbers": lambda x: F.cosine_similarity(x[:1], x[1:].double()),
    "mse_loss with numbers": lambda x: F.mse_loss(x, x.double() + 0.5),
    "huber_loss with numbers": lambda x: F.huber_loss(x, x.double() + 0.5),
    "lp_pool1d": lambda x: F.lp_pool1d(x[None], 2.0, 2),
    "normalize": lambda x: F.normalize(x.double()),
    "local_response_norm": lambda x: F.local_response_norm(x[None], 3, 2.0),
}


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_a_ratio_or_difference_of_whole_numbers(name: str) -> None:
    function = OF_INTEGERS[name]
    found, expected = function(INTEGERS), function(INTEGERS.double())
    assert found.is_floating_point()
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)


def test_booleans_are_targets_of_zero_and_one() -> None:
    x, t = drawn(3, 4), drawn(3, 4, seed=1) > 0
    for name in ("mse_loss", "smooth_l1_loss", "huber_loss"):
        loss = getattr(F, name)
        torch.testing.assert_close(loss(x, t), loss(x, t.double()), rtol=0, atol=0)
    torch.testing.assert_close(F.soft_margin_loss(x, t), (math.log(2) + 0 * x).where(~t, (1 + (-x).exp()).log()).mean())


@pytest.mark.parametrize("loss", [F.huber_loss, F.soft_margin_loss])
def test_the_loss_has_the_type_of_the_input(loss: Callable[..., Tensor]) -> None:
    x, t = drawn(3, 4).float(), drawn(3, 4, seed=1)
    assert loss(x, t).dtype is torch.float32
    torch.testing.assert_close(loss(x, t), loss(x.double(), t).float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_a_large_bag_counts_exactly(mode: str, dtype: torch.dtype) -> None:
    weight = torch.ones(2, 1, dtype=dtype, requires_grad=True)
    y = F.embedding_bag(torch.zeros(1, 1000, dtype=torch.long), weight, mode=mode)
    assert y.item() == (1000 if mode == "sum" else 1)
    assert grad(y.sum(), weight)[0].tolist() == [[y.item()], [0]]


# Masks of the lowest number.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [5, 150, 600])
def test_a_row_of_lowest_numbers_looks_everywhere(size: int, dtype: torch.dtype) -> None:
    """Beside it nothing else in a score counts: the mean of v, and a gradient of 1/S; a row of −∞ looks nowhere."""
    q, k, v = (drawn(1, 2, size, 3, seed=seed).to(dtype).requires_grad_() for seed in range(3))
    mask = torch.zeros(size, size, dtype=dtype)
    mask[1], mask[2], mask[3, 1:] = torch.finfo(dtype).min, -math.inf, torch.finfo(dtype).min
    mask[4] = torch.finfo(dtype).min
    mask[4, 0] = -math.inf
    y = F.scaled_dot_product_attention(q, k, v, mask)
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if dtype is torch.float32 else {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(y[:, :, 1], v.mean(2), **tolerance)
    torch.testing.assert_close(y[:, :, 4], v[:, :, 1:].mean(2), **tolerance)
    assert not y[:, :, 2].any()
    torch.testing.assert_close(y[:, :, 3], v[:, :, 0], **tolerance)
    (gradient,) = grad(y[:, :, 1].sum(), v, retain_graph=True)
    torch.testing.assert_close(gradient, torch.full_like(v, 1 / size), **tolerance)
    upstream = drawn(1, 2, 3, seed=5).to(dtype)
    (gradient,) = grad((y[:, :, 1] * upstream).sum(), q)  # by hand: Σⱼ Pⱼ (P̄ⱼ − δ) kⱼ / √E with Pⱼ = 1/S
    p_bar = (v * upstream[:, :, None]).sum(-1, keepdim=True)
    expected = ((p_bar - p_bar.mean(2, keepdim=True)) * k).mean(2) / math.sqrt(3)
    torch.testing.assert_close(gradient[:, :, 1], expected, **tolerance)


def test_a_mask_of_another_type_is_refused() -> None:
    q = torch.zeros(2, 3)
    with pytest.raises(RuntimeError, match="attn_mask must be boolean, float32 or of query's type"):
        F.scaled_dot_product_attention(q, q, q, torch.zeros(2, 2, dtype=DOUBLE))
    F.scaled_dot_product_attention(q.double(), q.double(), q.double(), torch.zeros(2, 2))


@pytest.mark.parametrize("size", [4, 140])
def test_weights_asked_for_or_not(size: int) -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=DOUBLE)
    x = drawn(2, size, 4)
    mask = torch.zeros(size, size, dtype=DOUBLE)
    mask[1] = torch.finfo(DOUBLE).min
    with_weights, weights = layer(x, x, x, attn_mask=mask, need_weights=True)
    without, _ = layer(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(with_weights, without, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(weights[:, 1], torch.full((2, size), 1 / size, dtype=DOUBLE))


# Second derivatives at the point itself.


def test_the_curvature_of_a_norm_is_that_beside_zero() -> None:
    """Coinciding points: slope 0, and no curvature of their distance; other pairs keep theirs."""
    points = torch.tensor([[1.0, 2.0], [1.0, 2.0], [4.0, 6.0]], dtype=DOUBLE, requires_grad=True)
    for p in (0.5, 1.0, 1.5, 2.0, 3.0, math.inf):
        for function in (F.pdist, lambda x, p: F.pairwise_distance(x[:2], x[1:], p, 0.0)):
            (first,) = grad(function(points, p)[0], points, create_graph=True)
            second = grad(first.sum(), points)[0] if first.requires_grad else torch.zeros(3, 2)
            assert not first.any()
            assert not second.any()
    (first,) = grad(F.pdist(points).sum(), points, create_graph=True)
    (second,) = grad((first * first.detach()).sum(), points)
    assert second.isfinite().all()


STRAIGHT = ("relu", "relu6", "leaky_relu", "rrelu", "hardtanh", "hardsigmoid", "hardshrink", "softshrink")


@pytest.mark.parametrize("name", STRAIGHT)
def test_a_straight_line_has_a_second_derivative(name: str) -> None:
    """It is 0, at the ends of the pieces, too, and not an error, as in PyTorch."""
    x = torch.tensor([-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], dtype=DOUBLE, requires_grad=True)
    (first,) = grad(getattr(F, name)(x).sum(), x, create_graph=True)
    assert grad(first.sum(), x)[0].tolist() == [0] * 9


def test_the_curvature_of_softplus_ends_at_its_threshold() -> None:
    x = torch.tensor([0.5, 0.25], dtype=DOUBLE, requires_grad=True)
    (first,) = grad(F.softplus(x, 2.0, 1.0).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    assert second[0] == 0
    assert second[1].item() == pytest.approx(2 / (4 * math.cosh(0.25) ** 2))  # β σ′(βx)


@pytest.mark.parametrize(("p", "expected"), [(math.inf, [0.0, 1.0, 0.0]), (-math.inf, [0.0, 0.0, 1.0])])
def test_the_norm_of_the_largest_and_of_the_smallest(p: float, expected: list[float]) -> None:
    a = torch.tensor([[2.0, 3.0, 1.0]], dtype=DOUBLE, requires_grad=True)
    d = F.pairwise_distance(a, torch.zeros(1, 3, dtype=DOUBLE), p, 0.0)
    assert grad(d.sum(), a)[0].tolist() == [expected]


@pytest.mark.parametrize("p", [-math.inf, -2.0, -0.5, 0.3, 1.0, 1.5, 2.0, 3.0, math.inf])
def test_distances_by_differences(p: float) -> None:
    a, b = drawn(4, 3), drawn(4, 3, seed=1)
    direction = drawn(4, 3, seed=2)
    leaf = a.clone().requires_grad_()
    (gradient,) = grad(F.pairwise_distance(leaf, b, p).sum(), leaf)
    expected = along(lambda x: F.pairwise_distance(x, b, p).sum(), a, direction, 1e-5)
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-7, atol=1e-8)


def test_counting_differences_does_not_lose_nan() -> None:
    assert F.pdist(torch.tensor([[math.nan, 1.0], [0.0, 0.0], [0.0, 2.0]]), 0.0).tolist()[2] == 1
    assert F.pdist(torch.tensor([[math.nan, 1.0], [0.0, 0.0], [0.0, 2.0]]), 0.0)[:2].isnan().all()


def test_the_norm_of_a_million_numbers() -> None:
    """Sums of float32 that would lose a digit if one number were added after another."""
    x = torch.rand(1, 2**21, generator=torch.Generator().manual_seed(0))
    for found, expected in (
        (F.layer_norm(x, x.shape[1:]), F.layer_norm(x.double(), x.shape[1:])),
        (F.rms_norm(x, x.shape[1:]), F.rms_norm(x.double(), x.shape[1:])),
        (F.batch_norm(x.T, None, None, training=True), F.batch_norm(x.double().T, None, None, training=True)),
    ):
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)


# Masks decided by tiny or infinite numbers.


@pytest.mark.parametrize(
    ("low", "high", "x", "slopes"),
    [
        (-1e-25, 1e-25, [-2e-25, -1e-25, -5e-26, 0.0, 5e-26, 1e-25], [0, 0, 1, 1, 1, 0]),
        (-1e-40, 1e-40, [-2e-40, 0.0, 5e-41, 1e-40], [0, 1, 1, 0]),
        (-math.inf, 1.0, [-math.inf, -3.0, 0.0, 1.0, 2.0, math.inf], [0, 1, 1, 0, 0, 0]),
        (-1.0, math.inf, [-math.inf, -1.0, 0.0, 3e38, math.inf], [0, 0, 1, 1, 0]),
        (-3e38, 3e38, [-2e38, 0.0, 3e38], [1, 1, 0]),
        (0.5, 0.5, [0.0, 0.5, 1.0], [0, 0, 0]),
        (-1.0, 1.0, [math.nan], [1]),
    ],
)
@pytest.mark.parametrize("recorded", [False, True])
def test_slopes_of_hardtanh(low: float, high: float, x: list[float], slopes: list[int], recorded: bool) -> None:
    leaf = torch.tensor(x, requires_grad=True)
    (gradient,) = grad(F.hardtanh(leaf, low, high).sum(), leaf, create_graph=recorded)
    assert gradient.tolist() == slopes


# Windows wholly in the padding.


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "dilation"),
    [
        ((1,), (2,), (1,), (2,)),
        ((2,), (2,), (1,), (3,)),
        ((1, 3), (2, 2), (1, 1), (2, 1)),
        ((2, 2), (2, 3), (1, 1), (3, 1)),
        ((3, 1), (2, 2), (1, 1), (1, 2)),
        ((1, 2, 2), (2, 2, 2), (1, 1, 1), (2, 1, 1)),
    ],
)
def test_max_pooling_of_the_padding(size, kernel, padding, dilation) -> None:
    dims = len(size)
    x = drawn(1, 2, *size).requires_grad_()
    pool = getattr(F, f"max_pool{dims}d")
    y, _ = pool(x, kernel, 1, padding, dilation, return_indices=True)
    upstream = drawn(*y.shape, seed=1)
    values, expected = torch.full_like(y, -math.inf), torch.zeros_like(x)
    for place in itertools.product(*map(range, y.shape)):
        places = [
            tuple(start + d * k - p for start, d, k, p in zip(place[2:], dilation, offset, padding, strict=True))
            for offset in itertools.product(*map(range, kernel))
        ]
        inside = [at for at in places if all(0 <= i < n for i, n in zip(at, size, strict=True))]
        if inside:
            best = max(inside, key=lambda at: x[(*place[:2], *at)].item())
            values[place] = x[(*place[:2], *best)].detach()
            expected[(*place[:2], *best)] += upstream[place]
    assert values.isinf().any()
    torch.testing.assert_close(y, values, rtol=0, atol=0)
    torch.testing.assert_close(pool(x, kernel, 1, padding, dilation), values, rtol=0, atol=0)
    torch.testing.assert_close(grad(y, x, upstream)[0], expected)
    for recorded in (False, True):
        again = pool(x, kernel, 1, padding, dilation)
        torch.testing.assert_close(grad(again, x, upstream, create_graph=recorded)[0], expected)


# What users write into.

IN_PLACE: dict[str, Callable[[], tuple[Callable[[Tensor], Tensor], Tensor]]] = {
    **{
        f"{kind}, {options}": lambda kind=kind, options=options: (
            (lambda layer: lambda x: layer(x)[0])(getattr(nn, kind)(3, 3, dtype=DOUBLE, **options)),
            drawn(4, 2, 3),
        )
        for kind in ("RNN", "LSTM", "GRU")
        for options in ({}, {"batch_first": True}, {"num_layers": 2}, {"bidirectional": True})
    },
    "pixel_shuffle of nothing": lambda: (lambda x: F.pixel_shuffle(x, 1), drawn(1, 1, 2, 2)),
    "pixel_unshuffle of nothing": lambda: (lambda x: F.pixel_unshuffle(x, 1), drawn(1, 1, 2, 2)),
    "channel_shuffle of nothing": lambda: (lambda x: F.channel_shuffle(x, 2), drawn(1, 2, 3)),
    "Softshrink": lambda: (F.softshrink, drawn(4, 3)),
    "LPPool1d": lambda: (lambda x: F.lp_pool1d(x, 3.0, 2), drawn(1, 2, 4).abs()),
    "MSELoss with weights": lambda: (
        lambda x: F.mse_loss(x, drawn(3, seed=1), weight=drawn(3, seed=2).abs()),
        drawn(3),
    ),
    "L1Loss with weights": lambda: (lambda x: F.l1_loss(x, drawn(3, seed=1), weight=drawn(3, seed=2).abs()), drawn(3)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_output_may_be_changed_in_place(name: str) -> None:
    """y += x, y *= 2, and a loss divided by the number of its batches."""
    function, x = IN_PLACE[name]()
    x.requires_grad_()
    y = function(x)
    upstream = drawn(*y.shape, seed=3)
    (expected,) = grad(y, x, 2 * upstream)
    y = function(x)
    y += 1
    y *= 2
    torch.testing.assert_close(grad(y, x, upstream)[0], expected)


# Imports, sizes, and what is left out.


def test_import_under_another_default_device() -> None:
    """What is made once, at import, belongs to the CPU."""
    program = (
        "import torch; torch.set_default_device('meta'); import scratch.nn.functional as F;"
        "torch.set_default_device('cpu'); x = torch.linspace(-3, 3, 7);"
        "torch.testing.assert_close(F.tanh(x), x.tanh());"
        "p = torch.tensor([0.25, 1.0]);"
        "torch.testing.assert_close(F.binary_cross_entropy(p, p), torch.nn.functional.binary_cross_entropy(p, p));"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "done", done.stderr


def test_a_million_windows() -> None:
    """Windows that overlap, each a mean of one or two numbers: no list of them in Python."""
    x = torch.arange(777_777.0, dtype=DOUBLE)[None, None].requires_grad_()
    y = F.adaptive_avg_pool1d(x, 1_000_000)
    for i in (0, 1, 499_999, 500_000, 999_999):
        begin, end = i * 777_777 // 1_000_000, -(-(i + 1) * 777_777 // 1_000_000)
        assert y[0, 0, i].item() == (begin + end - 1) / 2
    assert grad(y.sum(), x)[0].sum().item() == pytest.approx(1_000_000)


@pytest.mark.parametrize("training", [False, True])
def test_feature_alpha_dropout_of_one_dimension(training: bool) -> None:
    x = drawn(3)
    if training:
        with pytest.raises(RuntimeError):
            F.feature_alpha_dropout(x, 0.5, training)
    else:
        assert torch.equal(F.feature_alpha_dropout(x, 0.5, training), x)


def test_the_parameters_of_an_empty_batch() -> None:
    """PyTorch asks nothing of them; and running statistics stay as they are."""
    layer = nn.BatchNorm1d(3)
    for shape in ((0, 3), (2, 0), (0, 3, 4)):
        y = layer(torch.zeros(shape).requires_grad_())
        y.sum().backward()
        assert y.shape == shape
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.weight.grad.tolist() == [0, 0, 0]


def test_pooling_no_channels() -> None:
    for dims in (1, 2):
        x = torch.zeros(3, 0, *[4] * dims, requires_grad=True)
        y = getattr(F, f"adaptive_avg_pool{dims}d")(x, 2)
        assert y.shape == (3, 0, *[2] * dims)
        assert grad(y.sum(), x)[0].shape == x.shape


def test_a_dimension_that_nothing_has() -> None:
    for function in (F.softmax, F.log_softmax, F.softmin):
        with pytest.raises(IndexError):
            function(torch.zeros(0), 1)


def test_the_last_bag_goes_to_the_end() -> None:
    """Whatever the last offset says, as in PyTorch: its documentation has it equal to the number of indices."""
    weight, index = drawn(5, 2), torch.tensor([0, 1, 2, 3])
    for last in (1, 3, 4):
        y = F.embedding_bag(index, weight, torch.tensor([0, 1, last]), mode="sum", include_last_offset=True)
        torch.testing.assert_close(y, torch.stack([weight[0], weight[1:4].sum(0)]))


def test_bags_that_end_before_they_begin() -> None:
    """PyTorch adds up what memory it finds there, or refuses."""
    with pytest.raises(IndexError, match="offsets must not decrease"):
        F.embedding_bag(torch.tensor([1, 2, 3, 4]), drawn(5, 2), torch.tensor([0, 3, 1]))


def test_distances_of_nothing() -> None:
    for p in (0.0, 1.0, 2.0, 3.0, math.inf):
        x = torch.zeros(3, 0, requires_grad=True)
        d = F.pdist(x, p)
        assert d.tolist() == [0, 0, 0]
        assert grad(d.sum(), x)[0].shape == (3, 0)
    assert F.pdist(torch.zeros(0, 3, requires_grad=True)).shape == (0,)


def test_cross_entropy_without_classes() -> None:
    x = torch.zeros(2, 0, requires_grad=True)
    ignored = torch.tensor([-100, -100])
    loss = F.cross_entropy(x, ignored, reduction="none")
    assert loss.tolist() == [0, 0]
    assert grad(loss.sum(), x)[0].shape == (2, 0)
    assert F.cross_entropy(x, ignored).isnan()
    assert F.cross_entropy(x[0], ignored[0], reduction="sum").item() == 0
