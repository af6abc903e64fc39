"""Winograd's convolution: along a line, four outputs of a kernel of three for six products instead of twelve.

Shapes:     y[j] = Σ_k w[k] x[j + k],  j < 4, k < 3, reads six numbers of x.
Algebra:    Read a, w and x as the coefficients of polynomials, as w(t) = w₀ + w₁ t + w₂ t². The product c = a w has
            c_i = Σ_{j+k=i} a_j w_k, so that Σ_i c_i x_i = Σ_j a_j y_j: what makes y of x is the adjoint of
            multiplication by w. And polynomials are multiplied by multiplying their values: c has six coefficients,
            as many as values c(p) = a(p) w(p) at six points p. Let the rows of P_n be 1, p, p² … pⁿ⁻¹, and for the
            point ∞, where the highest coefficient is the value, 0 … 0, 1. Then
            P₆ c = (P₄ a) ⊙ (P₃ w),   whose adjoint by a is   y = P₄ᵀ (P₃ w ⊙ P₆⁻ᵀ x)                     (1)
            A diagonal D that makes B whole numbers may move to G:
            y = Aᵀ (G w ⊙ B x),         A = P₄,   B = D P₆⁻ᵀ,   G = D⁻¹ P₃                                (2)
            Summed over channels and, by shifts, over the rows of the kernel, ⊙ is for each point p a product of
            matrices that have a row for every four outputs:
            M[p] = V[p] U[p],           V = B x,   U = G w,   y = Aᵀ M                                    (3)
Adjoint:    each map is linear, its adjoint the transposed matrix:
            M̄ = A ȳ,   x̄ = Bᵀ (M̄[p] U[p]ᵀ),   w̄ = Gᵀ (V[p]ᵀ M̄[p])                                         (4)
            The polynomial of the constant b is b at p = 1, where A has ones; so M[1] += b, and b̄ = Σ M̄[1].
Accuracy:   numbers up to 8 in A and 5 in B cancel to those of y, which costs a digit or less: not for narrow types.
Source:     Winograd, Arithmetic complexity of computations (1980); Lavin and Gray, Fast algorithms for
            convolutional neural networks (2016), down the rows as well, where the products are cheap beside A and B.
"""

import math

import torch
from torch import Tensor

from scratch.ops.conv_products import Geometry, geometry
from scratch.ops.pad import constant_pad
from scratch.ops.window import Sizes, add_shifted

POINTS = (0, 1, -1, 2, -2)  # and ∞
KERNEL, OUTPUTS, INPUTS = 3, 4, 6


def powers(degree: int) -> Tensor:
    """P: for each point the powers below the degree."""
    finite = torch.tensor([[float(p**i) for i in range(degree)] for p in POINTS], dtype=torch.float64)
    return torch.cat([finite, torch.eye(degree, dtype=torch.float64)[-1:]])


D = torch.tensor([[float(math.prod(p - q for q in POINTS if q != p))] for p in POINTS] + [[1.0]], dtype=torch.float64)
A, B, G = powers(OUTPUTS), (D * powers(INPUTS).inverse().mT).round(), powers(KERNEL) / D  # (2)


def times(matrix: Tensor, x: Tensor) -> Tensor:
    """The matrix (I, J) times x (J, …) -> (I, …)."""
    return (matrix.to(x) @ x.reshape(len(x), -1)).view(len(matrix), *x.shape[1:])


class Winograd(Geometry):
    """The maps of `Geometry` with their factors of (3) and (4): each point is a group."""

    def strips(self, x: Tensor) -> Tensor:
        """x (N, C, *S) -> V (1, 6, S·N·L', C)."""
        windows = self.padded_lines(x).unfold(2, INPUTS, OUTPUTS).permute(4, 1, 0, 2, 3)  # (6, S, N, L', C)
        return times(B, windows).view(1, INPUTS, -1, x.shape[1])

    def add_strips(self, Z: Tensor) -> Tensor:
        """V̄ -> x̄ as (N, *S, C)."""
        windows = times(B.mT, Z[0]).view(INPUTS, self.steps, -1, *self.windows, Z.shape[-1]).transpose(1, 2)
        return self.cropped(add_shifted(windows.unbind(0), 2, INPUTS, self.windows[0], OUTPUTS, 1))

    def rows(self, y: Tensor) -> Tensor:
        """ȳ (N, O, *L) -> M̄ (6, L·N·L', O)."""
        y = constant_pad(y.movedim(1, -1), (0, 0, 0, self.windows[-1] * OUTPUTS - y.shape[-1]))
        y = y.unflatten(2, (-1, OUTPUTS)).permute(3, 1, 0, 2, 4)  # (4, L, N, L', O)
        return times(A, y).view(INPUTS, -1, y.shape[-1])

    def image(self, Y: Tensor) -> Tensor:
        """M -> y as (N, *L, O)."""
        y = times(A.mT, Y).view(OUTPUTS, self.lines, -1, *self.windows, Y.shape[-1]).permute(2, 1, 3, 0, 4)
        return y.flatten(2, 3).narrow(2, 0, self.output[-1])

    def matrices(self, weight: Tensor) -> list[Tensor]:
        """W (O, C, *K) -> U[k] (6, C, O) for each shift k."""
        return list(times(G, weight.permute(3, 2, 1, 0)).unbind(1))

    def sum_diagonals(self, wide: Tensor) -> Tensor:
        """Ū (K, 6, C, O) -> W̄ (O, C, *K)."""
        return times(G.mT, wide.transpose(0, 1)).permute(3, 2, 1, 0)

    def biases(self, bias: Tensor) -> Tensor:
        """b (O,) -> (6, 1, O): b at the point 1."""
        return constant_pad(bias[None, None], (0, 0, 0, 0, 1, INPUTS - 2))

    def sum_biases(self, Y: Tensor) -> Tensor:
        """M̄ -> b̄ (O,)."""
        return Y[1].sum(0)


def winograd(size: Sizes, weight: Sizes, padding: Sizes) -> Winograd:
    """From S and the shape of W, which is three wide; stride, dilation and groups are 1."""
    plain = geometry(size, weight, (1, 1), padding, (1, 1), 1, OUTPUTS, True)
    return Winograd(*plain._replace(groups=(INPUTS,)))
