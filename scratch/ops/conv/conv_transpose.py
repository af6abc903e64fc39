"""Transposed convolution, for any number of spatial dimensions: what a convolution's gradient is to its input.

Shapes:     x (N, C, *L)   W (C, O/G, *K)   b (O,) or None   y (N, O, *S)
            S = (L − 1) s − 2p + d (K − 1) + q + 1,   with stride s, padding p, dilation d, output_padding q < s or d
Formula:    y[n, o, i] = b[o] + Σ_clk x[n, c, l] W[c, o, k]   over all l, k with s·l + d·k − p = i        (1)
            Each x puts down a copy of the kernel, times itself, every s places; p of the border is cut away, and
            beyond the end stand q places more. This is (3) of scratch/ops/conv/conv.py with x for ȳ, where C and O
            have changed places.
Tangent:    ẏ = convᵀ(ẋ, W) + convᵀ(x, Ẇ) + ḃ
Adjoint:    ⟨ȳ, y⟩ is linear in ȳ, x and W as there, and the other two factors are that page's (1) and (4):
            x̄[n, c, l] = Σ_ok ȳ[n, o, s·l + d·k − p] W[c, o, k]                                           (2)
            W̄[c, o, k] = Σ_nl x[n, c, l] ȳ[n, o, s·l + d·k − p]                                           (3)
            b̄[o]       = Σ_ni ȳ[n, o, i]                                                                 (4)
Saved:      x, W.   Kinks: none.
Errors:     RuntimeError for shapes that do not fit, and for values that make no sense.
Reference:  torch.nn.functional.conv_transpose1d, conv_transpose2d, conv_transpose3d. Differs: y has the channels
            last in memory; no images of no pixels are refused, too.
Source:     Zeiler, Krishnan, Taylor and Fergus, Deconvolutional networks (2010).
"""

from functools import lru_cache

from torch import Tensor

from scratch.ops.conv.conv import ConvFn, CorrelateFn, gradients
from scratch.ops.conv.products import Geometry, geometry
from scratch.ops.conv.window import Sizes, pair
from scratch.ops.core.dtype import autocast
from scratch.ops.core.function import Function


class ConvTransposeFn(Function):
    """g is the geometry of the convolution from y to x."""

    @staticmethod
    def forward(x, weight, bias, g):
        y = gradients(x, g, weight, None)[0]
        return y if bias is None else y + bias.view(-1, *(1 for _ in g.kernel))  # (1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.geometry = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad):
        (x, weight), g = ctx.saved_tensors, ctx.geometry
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = ConvFn.apply(grad, weight, None, g) if needs_x else None  # (2)
        grad_weight = CorrelateFn.apply(grad, x, g) if needs_weight else None  # (3)
        grad_bias = grad.sum([0, *range(2, grad.dim())]) if needs_bias else None  # (4)
        return grad_x, grad_weight, grad_bias, None


@lru_cache
def plan(
    x: Sizes,
    weight: Sizes,
    bias: Sizes | None,
    stride: Sizes,
    padding: Sizes,
    extra: Sizes,
    groups: int,
    dilation: Sizes,
) -> Geometry:
    """The convolution from y to x; refuses what torch refuses."""
    dims, kernel = len(weight) - 2, tuple(weight[2:])
    if any(len(numbers) != dims for numbers in (stride, padding, extra, dilation)):
        raise RuntimeError(f"stride, padding, output_padding and dilation need 1 or {dims} numbers")
    if min(*stride, *dilation, *kernel, groups) <= 0 or min(*padding, *extra) < 0:
        raise RuntimeError(
            f"kernel {kernel}, stride {stride}, dilation {dilation} and groups {groups} must be positive, "
            f"padding {padding} and output_padding {extra} not negative"
        )
    if any(q >= max(s, d) for q, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(f"output_padding {extra} must be smaller than stride {stride} or dilation {dilation}")
    if 0 in weight or weight[0] % groups:
        raise RuntimeError(f"{groups} groups do not divide a weight {tuple(weight)}")
    if x[1] != weight[0]:
        raise RuntimeError(f"a weight {tuple(weight)} expects {weight[0]} input channels, but got {tuple(x)}")
    if bias is not None and tuple(bias) != (weight[1] * groups,):
        raise RuntimeError(f"expected a bias of shape ({weight[1] * groups},), but got {tuple(bias)}")
    if 0 in x[2:]:
        raise RuntimeError(f"only the batch may be empty, but got {tuple(x)}")
    reach = [s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(x[2:], kernel, stride, dilation, strict=True)]
    size = [n - 2 * p + q for n, p, q in zip(reach, padding, extra, strict=True)]
    if min(size) < 0:
        raise RuntimeError(f"padding {padding} cuts away more than there is: the output would have the size {size}")
    # On the right p of the border is cut away, but q given back; where q > p even more than there was.
    borders = [amount for p, q in zip(padding[::-1], extra[::-1], strict=True) for amount in (p, p - q)]
    shift = dims > 1 and x[2] > 1 and weight[-1] * weight[1] > 24  # else the products are narrow
    return geometry(size, weight, stride, borders, dilation, groups, shift=shift)


def conv_transpose(dims: int, x: Tensor, weight: Tensor, bias: Tensor | None, *options) -> Tensor:
    """``options`` are stride, padding, output_padding, groups, dilation."""
    if x.dim() == dims + 1:
        return conv_transpose(dims, x[None], weight, bias, *options)[0]
    if x.dim() != dims + 2 or weight.dim() != dims + 2:
        raise RuntimeError(
            f"expected an input (N, C, *S) or (C, *S) and a weight (C, O, *K) with {dims} spatial dimensions, "
            f"but got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    stride, padding, extra, groups, dilation = options
    sizes = [pair(value, dims) for value in (stride, padding, extra)]
    g = plan(x.shape, weight.shape, None if bias is None else bias.shape, *sizes, groups, pair(dilation, dims))
    return ConvTransposeFn.apply(*autocast(x, weight, bias), g)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, L') for x (N, C, L) or, unbatched, (C, L). See the module's page."""
    return conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, H', W') for x (N, C, H, W) or, unbatched, (C, H, W). See the module's page."""
    return conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Tensor:
    """y (N, O, D', H', W') for x (N, C, D, H, W) or, unbatched, (C, D, H, W). See the module's page."""
    return conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
