"""Adafactor: Adam's second moment of a matrix, kept as one number a row and one a column.

With 1 − β = t^τ and the root mean square RMS(x) = ‖x‖ / √n:

    α = max(ε₂, RMS(θ)) · min(γ, 1/√t)                     (1)    step relative to the parameters
    θ ← θ − γ λ θ                                          (2)    decoupled weight decay
    r ← β r + (1 − β) mean of g² over the last axis        (3)
    c ← β c + (1 − β) mean of g² over the axis before      (4)
    v = r c / max(mean of r, ε₁)                           (5)    a rank-one estimate of the average g²
    v ← β v + (1 − β) g²                                   (5′)   vectors and numbers, in place of (3)-(5)
    u = g / √max(v, ε₁²)                                   (6)
    θ ← θ − α u / max(1, RMS(u) / d)                       (7)    clipped update

Symbols:    γ lr (1e-2)   τ beta2_decay (−0.8)   ε₁, ε₂ eps (None: the dtype's epsilon, 1e-3)
            d (1.0)   λ weight_decay (0)   r row_var   c col_var   v variance   t step
            maximize turns the sign of g.
Memory:     rows + columns of each matrix; vectors one copy. No momentum.
Errors:     ValueError for a negative γ, ε or λ, τ > 0 and d < 1; RuntimeError for sparse gradients and
            complex parameters.
Reference:  torch.optim.Adafactor. Differs: see the switches in optimizer.py.
Source:     Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost (2018); ε₁ and the
            use of γ are torch's.
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, options, zero_step
from scratch.optim.rule import Rule


def rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()


def adafactor(theta, g, r=None, c=None, v=None, *, t, lr, beta2_decay, eps, d, weight_decay):
    eps1, eps2 = eps
    eps1 = torch.finfo(theta.dtype).eps if eps1 is None else eps1
    new = t**beta2_decay  # 1 − β
    alpha = rms(theta).clamp(min=eps2) * min(lr, 1 / t**0.5)  # (1)
    theta = theta - lr * weight_decay * theta  # (2)
    if v is None:
        r = (1 - new) * r + new * g.square().mean(-1, keepdim=True)  # (3)
        c = (1 - new) * c + new * g.square().mean(-2, keepdim=True)  # (4)
        average = r * c / r.mean(-2, keepdim=True).clamp(min=eps1)  # (5)
    else:
        average = v = (1 - new) * v + new * g.square()  # (5′)
    u = g / average.clamp(min=eps1 * eps1).sqrt()  # (6)
    return theta - alpha * u / (rms(u) / d).clamp(min=1), r, c, v  # (7)


def adafactor_fast(params, grads, r=None, c=None, v=None, *, t, lr, beta2_decay, eps, d, weight_decay):
    eps1, eps2 = eps
    if eps1 is None:
        eps1 = torch.finfo(params[0].dtype).eps
    new = t**beta2_decay  # 1 − β
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        alpha = max(eps2, root_mean_square(param)) * min(lr, 1 / t**0.5)  # (1)
        if weight_decay != 0:
            param.mul_(1 - lr * weight_decay)  # (2)
        if v is None:
            square = grad.square()
            r[i].lerp_(square.mean(-1, keepdim=True), new)  # (3)
            c[i].lerp_(square.mean(-2, keepdim=True), new)  # (4)
            average = (r[i] @ c[i]).div_(r[i].mean(dim=-2, keepdim=True).clamp_(min=eps1))  # (5)
        else:
            average = v[i].lerp_(grad * grad, new).clone()  # (5′)
        u = average.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)  # (6)
        param.add_(u, alpha=-alpha / max(1.0, root_mean_square(u) / d))  # (7)


def root_mean_square(x: Tensor) -> float:
    return x.norm().item() / x.numel() ** 0.5


class Adafactor(Optimizer):
    rule = Rule(adafactor, adafactor_fast, elementwise=False)
    states = "r: row_var, c: col_var, v: variance"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
        check(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        check(beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        check(eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}")
        check(eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}")
        check(d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}")
        check(weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if param.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if param.dim() < 2:
            return {"step": zero_step(), "variance": torch.zeros_like(param)}
        *batch, rows, columns = param.shape
        return {
            "step": zero_step(),
            "row_var": param.new_zeros([*batch, rows, 1]),
            "col_var": param.new_zeros([*batch, 1, columns]),
        }
