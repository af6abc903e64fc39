"""Adadelta: steps in the units of the parameters, with no learning rate to choose.

    g ← g + λ θ                                (1)    L2 penalty
    v ← ρ v + (1 − ρ) g²                       (2)    average square of the gradient
    Δ = g √(u + ε) / √(v + ε)                  (3)
    u ← ρ u + (1 − ρ) Δ²                       (4)    average square of the step
    θ ← θ − γ Δ                                (5)

Symbols:    γ lr (1.0)   ρ rho (0.9)   ε eps (1e-6)   λ weight_decay (0)   v square_avg   u acc_delta   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ, ε or λ and for ρ outside [0, 1]; RuntimeError for sparse gradients.
Reference:  torch.optim.Adadelta. Differs: see the switches in optimizer.py.
Source:     Zeiler, ADADELTA: an adaptive learning rate method (2012).
"""

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options
from scratch.optim.rule import Rule


def adadelta(theta, g, v, u, *, lr, rho, eps, weight_decay):
    g = g + weight_decay * theta  # (1)
    v = rho * v + (1 - rho) * g * g  # (2)
    delta = g * (u + eps).sqrt() / (v + eps).sqrt()  # (3)
    u = rho * u + (1 - rho) * delta * delta  # (4)
    return theta - lr * delta, v, u  # (5)


def adadelta_fast(params, grads, v, u, *, lr, rho, eps, weight_decay):
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_mul_(v, rho)
    torch._foreach_addcmul_(v, grads, grads, 1 - rho)  # (2)
    delta = torch._foreach_add(u, eps)
    torch._foreach_div_(delta, torch._foreach_add(v, eps))
    torch._foreach_sqrt_(delta)  # one root of a quotient for a quotient of two roots
    torch._foreach_mul_(delta, grads)  # (3)
    torch._foreach_mul_(u, rho)
    torch._foreach_addcmul_(u, delta, delta, 1 - rho)  # (4)
    torch._foreach_add_(params, delta, alpha=-lr)  # (5)


class Adadelta(Optimizer):
    rule = Rule(adadelta, adadelta_fast)
    states = "v: square_avg, u: acc_delta"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))
