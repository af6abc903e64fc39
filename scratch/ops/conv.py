"""Convolution (in deep learning's sense: a cross-correlation), for any number of spatial dimensions.

Shapes:     x (N, C, *S)   W (O, C/G, *K)   b (O,) or None   y (N, O, *L)
            G groups, each its own convolution: the sums below are over one. d dilation, s stride, p padding.
Formula:    y[n, o, l] = b[o] + Σ_ck W[o, c, k] x[n, c, s·l + d·k − p],    x being 0 outside            (1)
Tangent:    ẏ = conv(ẋ, W) + conv(x, Ẇ) + ḃ                                                            (2)
Adjoint:    ⟨ȳ, conv(x, W)⟩ = Σ_nolck ȳ[n, o, l] W[o, c, k] x[n, c, s·l + d·k − p] is linear in each of
            its three factors, and each gradient leaves out one of them:
            x̄[n, c, i] = Σ_olk ȳ[n, o, l] W[o, c, k]  over all l, k with s·l + d·k − p = i              (3)
            W̄[o, c, k] = Σ_nl  ȳ[n, o, l] x[n, c, s·l + d·k − p]                                       (4)
            b̄[o]       = Σ_nl  ȳ[n, o, l]                                                             (5)
            (3) is the transposed convolution. The gradients of (3) by ȳ and W, and of (4) by x and ȳ, are
            again among (1), (3), (4): three Functions that call each other give derivatives of every order.
Products:   with the columns X[n] (C·K, L), a column for each window of the padded x,
            (1) is y[n] = W X[n] + b, (3) X̄[n] = Wᵀ ȳ[n] with its columns added back, (4) W̄ = Σ_n ȳ[n] X[n]ᵀ.
Saved:      x, W.   Recomputed: the columns, which are K times the size of x.
Kinks:      none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv2d. Differs: nothing.
Source:     LeCun et al., Gradient-based learning applied to document recognition (1998);
            Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016).
"""

from typing import NamedTuple

from torch import Tensor

from scratch.ops.function import Function
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, output_sizes, overlap_add, pair, windows


class Geometry(NamedTuple):
    """All that is neither x nor W. Padding: (left, right) of the last dimension, of the one before, ..."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def columns(x: Tensor, kernel: Sizes, g: Geometry) -> Tensor:
    """x (N, C, *S) -> X (N, G, C/G·K, L)."""
    dims = len(kernel)
    view = windows(constant_pad(x, g.padding), kernel, g.stride, g.dilation)  # (N, C, *L, *K)
    axes = [0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims)]
    n, c = x.shape[:2]
    output = view.shape[2 : 2 + dims].numel()
    return view.permute(axes).reshape(n, g.groups, c // g.groups * view.shape[2 + dims :].numel(), output)


def grouped(y: Tensor, groups: int) -> Tensor:
    """y (N, O, *L) -> (N, G, O/G, L)."""
    return y.reshape(y.shape[0], groups, y.shape[1] // groups, y.shape[2:].numel())


def matrix(weight: Tensor, groups: int) -> Tensor:
    """W (O, C/G, *K) -> (G, O/G, C/G·K)."""
    return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1:].numel())


def padded(size: Sizes, padding: Sizes) -> tuple[int, ...]:
    """Sizes with their padding on."""
    return tuple(
        n + left + right for n, left, right in zip(size, padding[-2::-2], padding[::-2], strict=True)
    )


def convolve(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """(1) without b."""
    kernel = weight.shape[2:]
    output = output_sizes(padded(x.shape[2:], g.padding), kernel, g.stride, g.dilation)
    y = matrix(weight, g.groups) @ columns(x, kernel, g)
    return y.reshape(x.shape[0], weight.shape[0], *output)


def spread(grad: Tensor, weight: Tensor, size: Sizes, g: Geometry) -> Tensor:
    """(3): ȳ (N, O, *L), W -> x̄ (N, C, *S)."""
    windows = matrix(weight, g.groups).mT @ grouped(grad, g.groups)  # X̄
    windows = windows.reshape(grad.shape[0], weight.shape[1] * g.groups, *weight.shape[2:], *grad.shape[2:])
    x = overlap_add(windows, padded(size, g.padding), g.stride, g.dilation)
    return constant_pad(x, [-amount for amount in g.padding])


def correlate(x: Tensor, grad: Tensor, kernel: Sizes, g: Geometry) -> Tensor:
    """(4): x, ȳ -> W̄ (O, C/G, *K)."""
    weight = (grouped(grad, g.groups) @ columns(x, kernel, g).mT).sum(0)
    return weight.reshape(grad.shape[1], x.shape[1] // g.groups, *kernel)


class ConvFn(Function):
    @staticmethod
    def forward(x, weight, bias, g):
        y = convolve(x, weight, g)
        return y if bias is None else y + bias.view(-1, *(1 for _ in y.shape[2:]))

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.geometry = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad):
        (x, weight), g = ctx.saved_tensors, ctx.geometry
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = SpreadFn.apply(grad, weight, x.shape[2:], g) if needs_x else None  # (3)
        grad_weight = CorrelateFn.apply(x, grad, weight.shape[2:], g) if needs_weight else None  # (4)
        grad_bias = grad.sum([0, *range(2, grad.dim())]) if needs_bias else None  # (5)
        return grad_x, grad_weight, grad_bias, None


class SpreadFn(Function):
    """(3) as a function of ȳ and W; what arrives from above has the shape of x."""

    @staticmethod
    def forward(grad, weight, size, g):
        return spread(grad, weight, size, g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        grad, weight, _, ctx.geometry = inputs
        ctx.save_for_backward(grad, weight)

    @staticmethod
    def backward(ctx, x):
        (grad, weight), g = ctx.saved_tensors, ctx.geometry
        needs_grad, needs_weight, _, _ = ctx.needs_input_grad
        grad_grad = ConvFn.apply(x, weight, None, g) if needs_grad else None
        grad_weight = CorrelateFn.apply(x, grad, weight.shape[2:], g) if needs_weight else None
        return grad_grad, grad_weight, None, None


class CorrelateFn(Function):
    """(4) as a function of x and ȳ; what arrives from above has the shape of W."""

    @staticmethod
    def forward(x, grad, kernel, g):
        return correlate(x, grad, kernel, g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, grad, _, ctx.geometry = inputs
        ctx.save_for_backward(x, grad)

    @staticmethod
    def backward(ctx, weight):
        (x, grad), g = ctx.saved_tensors, ctx.geometry
        needs_x, needs_grad, _, _ = ctx.needs_input_grad
        grad_x = SpreadFn.apply(grad, weight, x.shape[2:], g) if needs_x else None
        grad_grad = ConvFn.apply(x, weight, None, g) if needs_grad else None
        return grad_x, grad_grad, None, None


def padding_amounts(
    padding: str | int | Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> tuple[int, ...]:
    """Padding as a user writes it -> (left, right) of the last dimension, then of the one before, ..."""
    if padding == "valid":
        return (0, 0) * len(kernel)
    if padding == "same":  # as many outputs as inputs; an odd number gives the right side one more
        if any(s != 1 for s in stride):
            raise RuntimeError(f"padding='same' goes with stride 1 only, but got {tuple(stride)}")
        total = [r * (k - 1) for k, r in zip(kernel, dilation, strict=True)]
        return tuple(amount for t in reversed(total) for amount in (t // 2, t - t // 2))
    if isinstance(padding, str):
        raise RuntimeError(f"padding {padding!r}: legal are 'same', 'valid' and numbers")
    return tuple(amount for p in reversed(pair(padding, len(kernel))) for amount in (p, p))


def check(x: Tensor, weight: Tensor, bias: Tensor | None, g: Geometry) -> None:
    """The demands of torch's convolution, as RuntimeErrors."""
    size, kernel = padded(x.shape[2:], g.padding), weight.shape[2:]
    if min(g.stride) <= 0 or min(g.dilation) <= 0 or g.groups <= 0 or min(g.padding) < 0 or min(kernel) <= 0:
        raise RuntimeError(f"kernel, stride, dilation and groups must be positive, padding >= 0, but got {g}")
    if weight.shape[0] == 0 or weight.shape[0] % g.groups:
        raise RuntimeError(f"{g.groups} groups do not divide {weight.shape[0]} output channels")
    if x.shape[1] != weight.shape[1] * g.groups:
        raise RuntimeError(
            f"a weight {tuple(weight.shape)} with {g.groups} groups expects "
            f"{weight.shape[1] * g.groups} input channels, but got {tuple(x.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"expected a bias of shape ({weight.shape[0]},), but got {tuple(bias.shape)}")
    if any(n < r * (k - 1) + 1 for n, k, r in zip(size, kernel, g.dilation, strict=True)):
        raise RuntimeError(f"the kernel {tuple(kernel)} is larger than the padded input {size}")
    if 0 in x.shape[2:] and x.shape[0] * x.shape[1] > 0:
        raise RuntimeError(f"only the batch and the channels may be empty, but got {tuple(x.shape)}")
    if any(other.dtype != x.dtype for other in (weight, bias) if other is not None):
        raise RuntimeError(f"input ({x.dtype}), weight ({weight.dtype}) and bias should be of one type")


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: str | int | Sizes = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y (N, O, H', W') = b + W * x for x (N, C, H, W) or, unbatched, (C, H, W). See the module's page."""
    return conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv(
    dims: int, x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups
) -> Tensor:
    if x.dim() == dims + 1:
        return conv(dims, x[None], weight, bias, stride, padding, dilation, groups)[0]
    if x.dim() != dims + 2 or weight.dim() != dims + 2:
        raise RuntimeError(
            f"expected an input (N, C, *S) or (C, *S) and a weight (O, C, *K) with {dims} spatial "
            f"dimensions, but got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    stride, dilation = pair(stride, dims), pair(dilation, dims)
    padding = padding_amounts(padding, weight.shape[2:], stride, dilation)
    if not len(stride) == len(dilation) == len(padding) / 2 == dims:
        raise RuntimeError(f"stride, padding and dilation need 1 or {dims} numbers")
    g = Geometry(stride, padding, dilation, groups)
    check(x, weight, bias, g)
    return ConvFn.apply(x, weight, bias, g)
