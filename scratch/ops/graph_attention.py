"""Graph attention: y_i = Σ_{e: j->i} α_e z_j + b, where each node decides how much it takes from which neighbour.

A graph of n nodes is a list of E edges, each from a source j to a target i; H heads of F features compute side by side.
The weights α of the edges into a node add up to 1. They are a softmax of scores, a number for each edge and head.

1. scores            u_j = ⟨a, z_j⟩     v_i = ⟨c, z_i⟩                                                    (1)
                     e = u_j + v_i      for the edge j -> i                                              (2)
   Shapes:   z (n, H, F)   a, c (H, F)   u, v (n, H)   e (E, H)
   Tangent:  u̇ = ⟨ȧ, z⟩ + ⟨a, ż⟩     v̇ = ⟨ċ, z⟩ + ⟨c, ż⟩     ė = u̇_j + v̇_i                              (3)
   Adjoint:  ū_j = Σ_{e: j->i} ē     v̄_i = Σ_{e: j->i} ē                                                 (4)
             z̄ = ū a + v̄ c                                                                              (5)
             ā = Σ_j ū_j z_j     c̄ = Σ_i v̄_i z_i                                                         (6)
   Saved:    z, a, c.   Recomputed: nothing.   Kinks: none.

2. edge softmax      m_i = max e over the edges into i     p = exp(e - m_i)                              (7)
                     α = p / Σ p over the edges into i                                                   (8)
   Shapes:   e, α (E, H)
   Tangent:  α̇ = α (ė - Σ α ė)     the sums over the edges into the same node                            (9)
   Adjoint:  ē = α (ᾱ - Σ α ᾱ)                                                                          (10)
   Saved:    α.   Recomputed: nothing.   Kinks: none; m cancels.

3. weighted sum      Y_i = Σ_{e: j->i} α_e z_j                                                          (11)
                     y = the heads of Y side by side, or their mean, + b                                (12)
   Shapes:   α (E, H)   z (n, H, F)   b (H F,) and y (n, H F), or b (F,) and y (n, F) for the mean
   Tangent:  Ẏ_i = Σ_{e: j->i} (α̇_e z_j + α_e ż_j)     ẏ as (12), + ḃ                                   (13)
   Adjoint:  Ȳ = ȳ in heads, or ȳ / H for each head                                                     (14)
             z̄_j = Σ_{e: j->i} α_e Ȳ_i     ᾱ_e = ⟨Ȳ_i, z_j⟩                                             (15)
             b̄ = Σ_i ȳ_i                                                                               (16)
   Saved:    α, z.   Recomputed: nothing.   Kinks: none.

Between 1 and 2 stands LeakyReLU, between 2 and 3 dropout of α; their pages are rectifier.py and dropout.py.
A node without edges gets b alone.

Cost:       O(E H F) time and memory: the rows z_j are copied for every edge.
Errors:     see scratch/nn/functional/graph.py.
Reference:  GATConv of zoo.layers and of torch_geometric. Differs: nothing.
Source:     Veličković et al., Graph attention networks (2018).
"""

from torch import Tensor

from scratch.ops.core.function import Function
from scratch.ops.graph import largest, summed, take


class EdgeScoresFn(Function):
    outputs = ("e",)

    @staticmethod
    def value(z, a, c, source, target):
        u, v = (a * z).sum(-1), (c * z).sum(-1)  # (1)
        return take(u, source) + take(v, target)  # (2)

    @staticmethod
    def tangent(z_dot, a_dot, c_dot, z, a, c, source, target):
        u_dot = (a_dot * z + a * z_dot).sum(-1)
        v_dot = (c_dot * z + c * z_dot).sum(-1)
        return take(u_dot, source) + take(v_dot, target)  # (3)

    @staticmethod
    def adjoint(e_bar, z, a, c, source, target):
        u_bar, v_bar = (summed(e_bar, end, len(z))[..., None] for end in (source, target))  # (4)
        z_bar = u_bar * a + v_bar * c  # (5)
        return z_bar, (u_bar * z).sum(0), (v_bar * z).sum(0)  # (6)


class EdgeSoftmaxFn(Function):
    outputs = ("alpha",)

    @staticmethod
    def value(e, target, n):
        m = largest(e, target, n)
        p = (e - take(m, target)).exp()  # (7)
        return p / over_edges(p, target, n)  # (8)

    @staticmethod
    def tangent(e_dot, alpha, target, n):
        return alpha * (e_dot - over_edges(alpha * e_dot, target, n))  # (9)

    @staticmethod
    def adjoint(alpha_bar, alpha, target, n):
        return alpha * (alpha_bar - over_edges(alpha * alpha_bar, target, n))  # (10)


def over_edges(values: Tensor, target: Tensor, n: int) -> Tensor:
    """For each edge the sum over all edges into the same node, (E, H)."""
    return take(summed(values, target, n), target)


class AttendFn(Function):
    @staticmethod
    def value(alpha, z, b, source, target, concat):
        Y = summed(alpha[..., None] * take(z, source), target, len(z))  # (11)
        y = joined(Y, concat)
        return y if b is None else y + b  # (12)

    @staticmethod
    def tangent(alpha_dot, z_dot, b_dot, alpha, z, source, target, concat):
        rows_dot = alpha_dot[..., None] * take(z, source) + alpha[..., None] * take(z_dot, source)
        return joined(summed(rows_dot, target, len(z)), concat) + b_dot  # (13)

    @staticmethod
    def adjoint(y_bar, alpha, z, source, target, concat):
        H = z.shape[1]
        Y_bar = y_bar.unflatten(1, z.shape[1:]) if concat else (y_bar / H)[:, None].expand(z.shape)  # (14)
        rows_bar = take(Y_bar, target)
        z_bar = summed(alpha[..., None] * rows_bar, source, len(z))
        alpha_bar = (rows_bar * take(z, source)).sum(-1)  # (15)
        return alpha_bar, z_bar, y_bar.sum(0)  # (16)


def joined(Y: Tensor, concat: bool) -> Tensor:
    """The heads (n, H, F) side by side, (n, H F), or their mean, (n, F)."""
    return Y.flatten(1) if concat else Y.mean(1)


def edge_scores(z: Tensor, a: Tensor, c: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """(1), (2): the score of each edge and head, (E, H), of z (n, H, F), a and c (H, F), source and target (E,)."""
    return EdgeScoresFn.apply(z, a, c, source, target)


def edge_softmax(e: Tensor, target: Tensor, n: int) -> Tensor:
    """(8): the softmax of e (E, H) over the edges into each of n nodes."""
    return EdgeSoftmaxFn.apply(e, target, n)


def attend(alpha: Tensor, z: Tensor, b: Tensor | None, source: Tensor, target: Tensor, concat: bool = True) -> Tensor:
    """(12): what each node takes from its neighbours, of alpha (E, H) and z (n, H, F)."""
    return AttendFn.apply(alpha, z, b, source, target, concat)
