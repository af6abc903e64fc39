"""Newton's method: jump to where the quadratic that fits f here is stationary.

    H = ∇²f(θ),  H = V diag(λ) Vᵀ                                        (1)
    H⁺ = V diag(1/λᵢ where |λᵢ| > cutoff · max |λ|, else 0) Vᵀ           (2)    the pseudo-inverse
    θ ← θ − γ H⁺ g                                                       (3)

Directions in which f is flat are left alone. A quadratic is solved in one step, from anywhere; where f is not
convex, (3) goes to a saddle as readily as to a minimum.

The eigenvalues come from Jacobi's rotations. One in the plane of the axes p and q makes H_pq zero:

    τ = (H_qq − H_pp) / (2 H_pq),  t = sign(τ) / (|τ| + √(1 + τ²)),  c = 1 / √(1 + t²),  s = t c         (4)

and sweeps over all planes, n/2 disjoint ones at a time, converge quadratically.

The closure must leave gradients that can be differentiated once more: ``loss.backward(create_graph=True)``.

Symbols:    γ lr (1)   cutoff (None: n times the dtype's epsilon)
            maximize makes no difference to (3), which finds where the gradient is zero.
Memory:     n² numbers for n parameters, and the gradients' graph for as many directions at once as the largest
            parameter has numbers: for small n.
Errors:     ValueError for a negative γ or cutoff and for several parameter groups; RuntimeError where the
            gradients cannot be differentiated, and for complex parameters.
Reference:  none in torch.
Source:     Jacobi, Über ein leichtes Verfahren, die in der Theorie der Säcularstörungen vorkommenden
            Gleichungen numerisch aufzulösen (1846); Brent and Luk, The solution of singular-value and symmetric
            eigenvalue problems on multiprocessor arrays (1985), for the order of the planes; Penrose, A
            generalized inverse for matrices (1955).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from scratch.optim.optimizer import Params, check, check_lr, number, options
from scratch.optim.vector import VectorOptimizer


def rounds(n: int) -> Iterator[tuple[list[int], list[int]]]:
    """All pairs of n axes, in rounds of disjoint ones: the tables of a tournament."""
    players = [*range(n), *([-1] if n % 2 else [])]  # -1 sits out
    half = len(players) // 2
    for _ in range(len(players) - 1):
        pairs = [pair for pair in zip(players[:half], reversed(players[half:]), strict=True) if -1 not in pair]
        yield [min(pair) for pair in pairs], [max(pair) for pair in pairs]
        players.insert(1, players.pop())


def eigen(H: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues λ (n,) and eigenvectors, the columns of V (n, n), of a symmetric matrix."""
    A, V = H.clone(), torch.eye(len(H), dtype=H.dtype, device=H.device)
    small = torch.finfo(H.dtype).eps * H.norm() / len(H)
    outside = off_diagonal(A)
    while outside > small:
        for p, q in rounds(len(H)):
            off, difference = A[p, q], A[q, q] - A[p, p]
            tau = difference / (2 * off)  # ±∞ or NaN where there is nothing to rotate
            t = torch.where(tau < 0, -1.0, 1.0) / (tau.abs() + (1 + tau * tau).sqrt())
            t = torch.where(off == 0, torch.zeros_like(t), t)
            c = 1 / (1 + t * t).sqrt()
            s = t * c  # (4)
            for M in (A.T, V.T, A):  # columns of A and of V, then rows of A
                M[p], M[q] = c[:, None] * M[p] - s[:, None] * M[q], s[:, None] * M[p] + c[:, None] * M[q]
        before, outside = outside, off_diagonal(A)
        if outside >= before:  # rounding is all that is left
            break
    return A.diagonal(), V


def off_diagonal(A: Tensor) -> Tensor:
    """The norm of what lies beside the diagonal."""
    return (A - A.diagonal().diag_embed()).norm()


def pseudo_inverse(H: Tensor, cutoff: float | None = None) -> Tensor:
    """H⁺ of a symmetric matrix."""
    values, V = eigen(H)
    if cutoff is None:
        cutoff = len(H) * torch.finfo(H.dtype).eps
    kept = values.abs() > cutoff * values.abs().max()
    inverse = torch.where(kept, 1 / values, torch.zeros_like(values))  # (2)
    return (V * inverse) @ V.T


class Newton(VectorOptimizer):
    second_order = True  # a trainer that calls backward itself finds here that the graph must be kept

    def __init__(
        self, params: Params, lr: float | Tensor = 1, cutoff: float | None = None, *, maximize: bool = False
    ) -> None:
        check_lr(lr)
        check(cutoff is None or cutoff >= 0.0, f"Invalid cutoff: {cutoff}")
        super().__init__(params, options(locals()))

    @torch.no_grad()
    def step(self, closure):  # type: ignore[override]  # not without a closure
        """One update. Returns the loss before it."""
        group = self.param_groups[0]
        with torch.enable_grad():
            loss = closure()
            H = self.hessian()
        self.move(-number(group["lr"]), pseudo_inverse(H, group["cutoff"]) @ self.gradient() * self.sign)  # (3)
        for param in self.params:
            if param.grad is not None:
                param.grad.detach_()  # or parameter and gradient keep each other alive
        return loss

    def hessian(self) -> Tensor:
        """The Hessian (1)."""
        if any(param.is_complex() for param in self.params):
            raise RuntimeError("Newton does not support complex parameters")
        if not any(param.grad is not None and param.grad.requires_grad for param in self.params):
            raise RuntimeError("Newton needs a closure that calls loss.backward(create_graph=True)")
        H = torch.cat([*map(self.rows, self.params)])
        return (H + H.T) / 2  # exactly symmetric

    def rows(self, param: Tensor) -> Tensor:
        """The rows of H that belong to a parameter: the gradients of all numbers of its gradient, as one batch. Forward
        mode would differentiate the closure anew for each of them."""
        n = param.numel()
        found: tuple[Tensor | None, ...] = (None,) * len(self.params)
        if n and param.grad is not None and param.grad.requires_grad:
            each = torch.eye(n, dtype=param.dtype, device=param.device).view(n, *param.shape)
            found = torch.autograd.grad(
                param.grad, self.params, each, retain_graph=True, is_grads_batched=True, allow_unused=True
            )
        parts = zip(self.params, found, strict=True)
        return torch.cat([p.new_zeros(n, p.numel()) if r is None else r.reshape(n, p.numel()) for p, r in parts], 1)
