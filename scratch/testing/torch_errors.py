"""Where PyTorch itself is wrong: calls whose right value is known without it.

    for error in TORCH_ERRORS:
        error.found(torch.nn), error.found(scratch.nn), error.truth()

Each entry says what is wrong, computes the number in question with a package that has torch.nn's names, and has the
truth: a closed form, many digits, finite differences of the function itself, or a count. All were seen with the
versions in SEEN, on a CPU; an entry that a later one has mended gets ``mended``.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import mpmath
import torch
from torch import Tensor
from torch.autograd import grad
from torch.func import jvp

SEEN = ("2.13.0", "2.14.1")


@dataclass(frozen=True)
class TorchError:
    """What is wrong, the number by a package, and the truth."""

    what: str
    found: Callable[[Any], Tensor]
    truth: Callable[[], Tensor]
    tolerance: float = 1e-9
    since: tuple[int, int] = (0, 0)  # the first version of torch that has what is wrong
    mended: str = ""  # the version of torch that is right, if one is
    followed: str = ""  # why `scratch` is wrong, too

    def error(self, package: ModuleType) -> float:
        """The largest error of a package, relative to the largest number of the truth; infinite where it refuses."""
        truth = self.truth().double()
        try:
            found = self.found(package).double()
        except (RuntimeError, NotImplementedError):
            return math.inf
        difference = (found - truth).abs().nan_to_num(nan=math.inf)
        return (difference.max() / truth.abs().max().clamp(min=1e-3)).item()


def values(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slope(function: Callable[[Tensor], Tensor], x: Tensor, order: int = 1) -> Tensor:
    """The derivative of Σ f(x), or the second one, Σ f″ for a function of each number alone."""
    x = x.clone().requires_grad_()
    y = function(x).sum()
    for _ in range(order):
        (gradient,) = grad(y, x, create_graph=True)
        y = gradient.sum()
    return gradient.detach()


def differences(function: Callable[[Tensor], Tensor], x: Tensor, step: float = 1e-5) -> Tensor:
    """The gradient of a scalar function by central differences of fourth order."""
    gradient = torch.empty_like(x)
    for i in range(x.numel()):
        direction = torch.zeros_like(x)
        direction.view(-1)[i] = step
        near, far = (function(x + k * direction) - function(x - k * direction) for k in (1, 2))
        gradient.view(-1)[i] = ((8 * near - far) / (12 * step)).item()
    return gradient


def celu(nn: Any) -> Tensor:
    return slope(lambda x: nn.functional.celu(x, 1.7), values(-0.3, -1.0, -2.5))


def hardsigmoid(nn: Any) -> Tensor:
    return slope(nn.functional.hardsigmoid, torch.linspace(-2.9, 2.9, 64, dtype=torch.float64))


def poisson(nn: Any) -> Tensor:
    x = values(0.3, -0.4, 1.2)
    return slope(lambda t: nn.functional.poisson_nll_loss(x, t, full=True, reduction="sum"), values(0.0, 0.0, 0.5))


def kl_div(nn: Any) -> Tensor:
    """The slope at t = 0 is −∞; its reciprocal."""
    x = values(-0.5, -1.0)
    return 1 / slope(lambda t: nn.functional.kl_div(x, t, reduction="sum"), values(0.0, 0.0))


LINEAR = drawn(5, 3), drawn(4, 3, seed=1), torch.tensor([0, 3, 1, 1, 2])


def linear_cross_entropy(nn: Any) -> Tensor:
    """The gradient of the sum of squares of the gradient by x, in chunks."""
    x, weight, target = LINEAR
    options: Any = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)

    def squares(x: Tensor) -> Tensor:
        loss = nn.functional.linear_cross_entropy(x, weight, target, reduction="sum", options=options)
        (first,) = grad(loss, x, create_graph=True)
        return first.square()

    return slope(squares, x)


def linear_cross_entropy_by_differences() -> Tensor:
    _, weight, target = LINEAR

    def squares(x: Tensor) -> Tensor:
        p = (x @ weight.mT).softmax(1)
        wrong = p - torch.nn.functional.one_hot(target, 4)
        return (wrong @ weight).square().sum()

    return differences(squares, LINEAR[0])


def embedding_by_frequency(nn: Any) -> Tensor:
    """How the gradient of a row that is read three times changes with that of each reading."""
    weight = drawn(2, 1).requires_grad_()
    y = nn.functional.embedding(torch.tensor([1, 1, 1]), weight, scale_grad_by_freq=True)
    upstream = torch.ones_like(y).requires_grad_()
    (first,) = grad(y, weight, upstream, create_graph=True)
    return grad(first[1, 0], upstream)[0].flatten()


def embedding_in_bfloat16(nn: Any) -> Tensor:
    weight = torch.ones(2, 1, dtype=torch.bfloat16, requires_grad=True)
    return grad(nn.functional.embedding(torch.zeros(1000, dtype=torch.long), weight).sum(), weight)[0][:1, 0]


def mish(nn: Any) -> Tensor:
    return slope(nn.functional.mish, MISH, order=2)


MISH = values(-700.0, -40.0, -1.0, 0.0, 1e-9, 1.0, 19.0, 25.0, 90.0, 400.0, 1000.0)


def mish_in_many_digits() -> Tensor:
    with mpmath.workdps(60):
        return values(
            *(mpmath.diff(lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))), x, 2) for x in MISH.tolist())
        )


NORM = drawn(1, 3, 1, 24).movedim(-1, 1)[:, :8], drawn(1, 3, 1, 8).movedim(-1, 1)  # the channels last, and gaps


def instance_norm(nn: Any) -> Tensor:
    """The gradient by the bias in a batch of one."""
    x, upstream = NORM
    bias = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    y = nn.functional.instance_norm(x, None, None, torch.ones_like(bias), bias)
    return grad(y, bias, upstream)[0]


def max_pool(nn: Any) -> Tensor:
    """What reaches x, all of whose windows lie in the padding: on its two sides."""
    x = drawn(1, 1, 1, 4, 1).requires_grad_()
    y, _ = nn.functional.max_pool3d(x, (1, 1, 2), (1, 2, 1), (0, 0, 1), (1, 1, 2), return_indices=True)
    return grad(y.sum(), x)[0].flatten()


CTC = drawn(5, 1, 3)


def ctc(nn: Any) -> Tensor:
    """A text that is itself a blank."""

    def loss(x: Tensor) -> Tensor:
        return nn.functional.ctc_loss(x.log_softmax(-1), torch.tensor([[0]]), (5,), (1,), reduction="sum")

    return slope(loss, CTC)


def ctc_by_differences() -> Tensor:
    """The slope of the probability of all paths over the places blank, 0, blank, which are all the same label."""

    def loss(x: Tensor) -> Tensor:
        y = x.log_softmax(-1)[:, 0, 0]
        paths = sum(1 for a in range(6) for b in range(a, 6) if b > 0 and a < 5)  # leaves place 0 at a, place 1 at b
        return -(y.sum() + math.log(paths))

    return differences(loss, CTC)


def lowest_mask(nn: Any) -> Tensor:
    """The gradient by v where a row of the mask is the lowest number throughout: all keys count the same."""
    q, k, v = (drawn(1, 1, 3, 2, seed=seed).requires_grad_() for seed in range(3))
    mask = torch.zeros(3, 3, dtype=torch.float64)
    mask[1] = torch.finfo(torch.float64).min
    y = nn.functional.scaled_dot_product_attention(q, k, v, mask)
    return grad(y[0, 0, 1, 0], v)[0][0, 0, :, 0]


def silu_in_place(nn: Any) -> Tensor:
    """The gradient of Re y for complex x, its real and imaginary part."""
    x = torch.tensor([0.3 - 0.7j], dtype=torch.complex128, requires_grad=True)
    (gradient,) = grad(nn.functional.silu(x.clone(), inplace=True).real.sum(), x)
    return torch.view_as_real(gradient).flatten()


def silu_by_differences() -> Tensor:
    def real_part(x: Tensor) -> Tensor:
        return (torch.complex(x[0], x[1]) / (1 + (-torch.complex(x[0], x[1])).exp())).real

    return differences(real_part, values(0.3, -0.7))


def margin_of_bytes(nn: Any) -> Tensor:
    ones = torch.ones(1, dtype=torch.uint8)
    return nn.functional.margin_ranking_loss(values(2.0), values(5.0), ones, 1.0)[None]


def cosine_of_different_sizes(nn: Any) -> Tensor:
    """1 − cos of (1, 1, 1), given as one number, and of three others."""
    a, b = values(1.0)[None], values(1.0, 2.0, 3.0)[None]
    return nn.functional.cosine_embedding_loss(a, b, values(1.0))[None]


def pdist_ties(nn: Any) -> Tensor:
    """The slope of max |a − b| along a − b, which is 1, where two numbers are the largest."""
    a = values(1.0, 1.0, 0.0).requires_grad_()
    distance = nn.functional.pdist(torch.stack([a, torch.zeros(3, dtype=torch.float64)]), math.inf)
    return (grad(distance.sum(), a)[0] * values(1.0, 1.0, 0.0)).sum()[None]


def checkpointed_rrelu(nn: Any) -> Tensor:
    """Slopes between 1/8 and 1/3, for x < 0, are 1 when the bounds are."""
    layer = nn.RReLU(1.0, 1.0)
    x = (-drawn(4).abs()).requires_grad_()
    y = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)
    return grad(y.sum(), x)[0]


def margin_of_nothing(nn: Any) -> Tensor:
    """A mean of no losses, read as an integer so that NaN has a value: 1 if it is NaN."""
    loss = nn.functional.multi_margin_loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    return loss.isnan().double()[None]


RATES = 0.3, -0.6, 0.21, 0.9, -0.3  # the gradients of five steps


def nadam(nn: Any) -> Tensor:
    """A float64 number after five steps, where the default type is float32."""
    optim = importlib.import_module(nn.__name__.replace(".nn", ".optim"))
    p = values(0.5).requires_grad_()
    optimizer = optim.NAdam([p], lr=0.1)
    for gradient in RATES:
        p.grad = values(gradient)
        optimizer.step()
    return p.detach()


def nadam_in_many_digits() -> Tensor:
    with mpmath.workdps(60):
        p, m, v, product = mpmath.mpf(0.5), mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(1)
        b1, b2, lr, eps, psi = map(mpmath.mpf, (0.9, 0.999, 0.1, 1e-8, 0.004))
        for t, g in enumerate(map(mpmath.mpf, RATES), 1):
            mu, following = (b1 * (1 - mpmath.mpf(0.5) * mpmath.mpf(0.96) ** (s * psi)) for s in (t, t + 1))
            product, m, v = product * mu, b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            step = (1 - mu) * g / (1 - product) + following * m / (1 - product * following)
            p -= lr * step / (mpmath.sqrt(v / (1 - b2**t)) + eps)
        return values(p)


POINT, ALONG, WEIGHTS = drawn(2, 3, 4), drawn(2, 3, 4, seed=1), drawn(2, 3, 4, seed=2)


def norms_twice(nn: Any) -> Tensor:
    """The second derivative of a sum, along a line, by forward mode in forward mode."""
    f = nn.functional
    layer, batch = lambda x: f.layer_norm(x, (3, 4)), lambda x: f.batch_norm(x, None, None, training=True)

    def tangent(function: Any) -> Any:
        return lambda t: jvp(function, (t,), (torch.ones_like(t),))[1]

    def along(norm: Any) -> Any:
        return lambda t: (WEIGHTS * norm(POINT + t * ALONG)).sum()

    return torch.stack([tangent(tangent(along(n)))(torch.zeros(()).double()) for n in (layer, batch, f.instance_norm)])


def norms_written_out() -> Tensor:
    def over(dims: tuple[int, ...]) -> Tensor:
        def along(t: Tensor) -> Tensor:
            x = POINT + t * ALONG
            v, mu = torch.var_mean(x, dims, correction=0, keepdim=True)
            return (WEIGHTS * (x - mu) * (v + 1e-5).rsqrt()).sum()

        return slope(along, values(0.0), order=2)

    return torch.cat([over((1, 2)), over((0, 2)), over((2,))])


TORCH_ERRORS = [
    TorchError(
        "CELU's derivative has 1/α in single precision",
        celu,
        lambda: values(*(math.exp(x / 1.7) for x in (-0.3, -1.0, -2.5))),
    ),
    TorchError(
        "Hardsigmoid's derivative is 1/6 in single precision",
        hardsigmoid,
        lambda: torch.full((64,), 1 / 6, dtype=torch.float64),
    ),
    TorchError(
        "PoissonNLLLoss, full: the gradient by the target is NaN at 0", poisson, lambda: values(-0.3, 0.4, -1.2)
    ),
    TorchError("KLDivLoss: the gradient by the target is NaN at 0, and not −∞", kl_div, lambda: values(0.0, 0.0)),
    TorchError(
        "linear_cross_entropy in chunks has no second derivative",
        linear_cross_entropy,
        linear_cross_entropy_by_differences,
        1e-7,
        since=(2, 13),
    ),
    TorchError(
        "Embedding by frequency: the second derivative leaves the frequency out",
        embedding_by_frequency,
        lambda: values(1 / 3, 1 / 3, 1 / 3),
    ),
    TorchError(
        "Embedding's gradient in bfloat16 adds up to 256 at most", embedding_in_bfloat16, lambda: values(1000.0)
    ),
    TorchError("Mish's second derivative is NaN far out", mish, mish_in_many_digits),
    TorchError(
        "InstanceNorm and BatchNorm: the bias's gradient in a batch of one with the channels last and gaps in memory",
        instance_norm,
        lambda: NORM[1].sum((0, 2, 3)),
    ),
    TorchError(
        "max_pool3d with indices: windows in the padding write beyond the gradient", max_pool, lambda: torch.zeros(4)
    ),
    TorchError("CTC of a text that is a blank: the gradient", ctc, ctc_by_differences, 1e-7),
    TorchError(
        "attention: a row of the mask of lowest numbers multiplies gradients by the number of keys",
        lowest_mask,
        lambda: values(1 / 3, 1 / 3, 1 / 3),
    ),
    TorchError(
        "SiLU in place: the gradient of complex numbers lacks the conjugate", silu_in_place, silu_by_differences, 1e-7
    ),
    TorchError("margin_ranking_loss of uint8 targets negates in uint8", margin_of_bytes, lambda: values(4.0)),
    TorchError(
        "cosine_embedding_loss broadcasts its inputs, but not their norms",
        cosine_of_different_sizes,
        lambda: values(1 - 6 / math.sqrt(3 * 14)),
    ),
    TorchError("pdist, p = ∞: each of several maxima gets the whole gradient", pdist_ties, lambda: values(1.0)),
    TorchError(
        "RReLU under checkpointing: the slopes are memory as it is found", checkpointed_rrelu, lambda: torch.ones(4)
    ),
    TorchError(
        "NAdam keeps the product of μ in the default type, float32, for float64 parameters, too",
        nadam,
        nadam_in_many_digits,
        followed="the state has torch's types, so that it can be loaded either way",
    ),
    TorchError("multi_margin_loss of nothing is memory as it is found", margin_of_nothing, lambda: values(1.0)),
    TorchError("LayerNorm, BatchNorm, InstanceNorm: the tangent of a tangent", norms_twice, norms_written_out),
]
