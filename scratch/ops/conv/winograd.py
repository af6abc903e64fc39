"""The fast form of a convolution by 3 × 3 with stride 1 and many channels: fewer products. Symbols as in conv.py.

One line:   Two neighbouring outputs of a kernel w of three numbers read four numbers d of x, and take four
            multiplications instead of six:
            y₀ = d₀w₀ + d₁w₁ + d₂w₂ = m₀ + m₁ + m₂        y₁ = d₁w₀ + d₂w₁ + d₃w₂ = m₁ − m₂ − m₃         (1)
            m = v u, number by number, with
            v = (d₀ − d₂, d₁ + d₂, d₂ − d₁, d₁ − d₃)                                                    (2)
            u = (w₀, (w₀ + w₁ + w₂)/2, (w₀ − w₁ + w₂)/2, w₂)                                             (3)
Pictures:   With (1) as the matrix Aᵀ, (2) as Bᵀ and (3) as G, a line is y = Aᵀ[(G w)(Bᵀ d)]. A picture is lines of
            lines: for each tile of 2 × 2 outputs, which reads 4 × 4 numbers, y = Aᵀ[(G w Gᵀ)(Bᵀ d B)]A takes 16
            multiplications instead of 36. At each of the 16 places (i, j) the sum over the channels is a product of
            matrices, for all tiles at once: V (tiles, C) of x, U (C, O) of the kernels,
            M[i, j] = V[i, j] U[i, j]                                                                    (4)
Adjoint:    x̄ is a convolution of the same kind, (8) of conv_fast.py. (1) to (4) are linear in w: from the last to the
            first,
            M̄ = A ȳ Aᵀ   (5)      Ū[i, j] = V[i, j]ᵀ M̄[i, j]   (6)      W̄ = Gᵀ Ū G                        (7)
Rounding:   additions before and after the products round, too. In float32 on normal numbers, 256 channels, pictures of
            14 × 14, relative to the largest number: y 4.0e-7, x̄ 4.7e-7 and W̄ 5.3e-7, where PyTorch's own are off by
            3.2e-7, 2.9e-7 and 1.3e-6, and conv_fast.py by 4.8e-7, 1.2e-6 and 7.8e-7. In float64 3e-15.
Source:     Winograd, Arithmetic complexity of computations (1980); Lavin and Gray, Fast algorithms for convolutional
            neural networks (2016).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from scratch.ops.conv.pad import constant_pad
from scratch.ops.conv.window import Windows, channels_last

CHANNELS = 96  # of x and y, from which on it pays
WORTH = 3 * 2**15  # numbers of x, likewise, since the kernels are transformed once for all of them
ROWS = 1024  # tiles in a product
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))


def pays(x: Tensor, W: Tensor, windows: Windows, groups: int) -> bool:
    """Whether it is the fastest form, by measurement."""
    _, kernel, stride, _, dilation = windows
    return (
        (kernel, stride, dilation, groups) == ((3, 3), (1, 1), (1, 1), 1)
        and min(W.shape[:2]) >= CHANNELS
        and x.numel() >= WORTH
        and x.dtype in (torch.float32, torch.float64)
    )


def tiles(windows: Windows) -> tuple[int, int]:
    """How many tiles cover the outputs; the last may reach beyond."""
    height, width = windows.output
    return (height + 1) // 2, (width + 1) // 2


def parts(n: int, windows: Windows) -> Iterator[slice]:
    """Images whose tiles go through together."""
    down, across = tiles(windows)
    step = max(1, ROWS // (down * across))
    yield from (slice(begin, min(begin + step, n)) for begin in range(0, n, step))


def kernels(W: Tensor) -> Tensor:
    """W (O, C, 3, 3) -> U (16, C, O)"""
    g = W.new_tensor(G)
    return (torch.kron(g, g) @ W.permute(2, 3, 1, 0).reshape(9, -1)).view(16, W.shape[1], W.shape[0])  # (3)


def kernels_adjoint(U_bar: Tensor) -> Tensor:
    """Ū (16, C, O) -> W̄ (O, C, 3, 3)"""
    g = U_bar.new_tensor(G)
    W_bar = torch.kron(g, g).mT @ U_bar.flatten(1)  # (7)
    return W_bar.view(3, 3, *U_bar.shape[1:]).permute(3, 2, 0, 1).contiguous()


def differences(x: Tensor, axis: int, out: Tensor) -> None:
    """(2) along one dimension: 2t + 2 numbers -> four times t"""
    d0, d1, d2, d3 = x.unfold(axis, 4, 2).unbind(-1)
    torch.sub(d0, d2, out=out[0])
    torch.add(d1, d2, out=out[1])
    torch.sub(d2, d1, out=out[2])
    torch.sub(d1, d3, out=out[3])


def sums(m: Tensor, out: Tensor) -> None:
    """(1): four -> two"""
    torch.add(m[0], m[1], out=out[0]).add_(m[2])
    torch.sub(m[1], m[2], out=out[1]).sub_(m[3])


def sums_adjoint(y_bar: Tensor, out: Tensor) -> None:
    """(5): two -> four"""
    out[0].copy_(y_bar[0])
    torch.add(y_bar[0], y_bar[1], out=out[1])
    torch.sub(y_bar[0], y_bar[1], out=out[2])
    torch.neg(y_bar[1], out=out[3])


def of_input(x: Tensor, windows: Windows) -> Tensor:
    """x (n, C, *S) -> V (16, n·tiles, C)"""
    (down, across), (left, _, top, _), (height, width) = tiles(windows), windows.padding, windows.size
    border = (left, 2 * across + 2 - width - left, top, 2 * down + 2 - height - top)
    d = constant_pad(channels_last(x), (0, 0, *border)).contiguous()
    n, C = x.shape[:2]
    lines, V = d.new_empty(4, n, down, 2 * across + 2, C), d.new_empty(4, 4, n, down, across, C)
    differences(d, 1, lines)
    differences(lines, 3, V.transpose(0, 1))
    return V.view(16, -1, C)


def of_output(y: Tensor) -> Tensor:
    """y (n, 2t, 2u, O) as its places in a tile (2, 2, n, t, u, O)"""
    n, height, width, _ = y.shape
    return y.view(n, height // 2, 2, width // 2, 2, -1).permute(2, 4, 0, 1, 3, 5)


def convolve(x: Tensor, W: Tensor, b: Tensor | None, windows: Windows) -> Tensor:
    """(1) of conv.py: x, W, b -> y."""
    U, (down, across), (height, width) = kernels(W), tiles(windows), windows.output
    y = x.new_empty(x.shape[0], 2 * down, 2 * across, W.shape[0])
    for part in parts(x.shape[0], windows):
        M = torch.bmm(of_input(x[part], windows), U).view(4, 4, -1, down, across, W.shape[0])  # (4)
        lines = M.new_empty(2, *M.shape[1:])
        sums(M, lines)
        sums(lines.transpose(0, 1), of_output(y[part]).transpose(0, 1))
        if b is not None:
            y[part] += b
    return y[:, :height, :width].contiguous().movedim(-1, 1)


def input_gradient(y_bar: Tensor, W: Tensor, windows: Windows) -> Tensor:
    """(3) of conv.py: ȳ, W -> x̄."""
    there = windows._replace(size=windows.output, padding=tuple(2 - amount for amount in windows.padding))
    return convolve(y_bar, W.flip(2, 3).transpose(0, 1), None, there)


def weight_gradient(y_bar: Tensor, x: Tensor, windows: Windows) -> Tensor:
    """(4) of conv.py: ȳ, x -> W̄."""
    (down, across), (height, width) = tiles(windows), windows.output
    U_bar = x.new_zeros(16, x.shape[1], y_bar.shape[1])
    for part in parts(x.shape[0], windows):
        beyond = (0, 0, 0, 2 * across - width, 0, 2 * down - height)
        Y = of_output(constant_pad(channels_last(y_bar[part]), beyond).contiguous())
        lines, M_bar = Y.new_empty(2, 4, *Y.shape[2:]), Y.new_empty(4, 4, *Y.shape[2:])
        sums_adjoint(Y.transpose(0, 1), lines.transpose(0, 1))
        sums_adjoint(lines, M_bar)
        U_bar.baddbmm_(of_input(x[part], windows).mT, M_bar.view(16, -1, y_bar.shape[1]))  # (6)
    return kernels_adjoint(U_bar)
