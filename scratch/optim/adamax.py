"""Adamax: Adam with the largest gradient of late in place of the root mean square.

    g ← g + λ θ                                (1)    L2 penalty
    m ← β₁ m + (1 − β₁) g                      (2)
    u ← max(β₂ u, |g| + ε)                     (3)
    θ ← θ − γ / (1 − β₁ᵗ) · m / u              (4)

Symbols:    γ lr (2e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   λ weight_decay (0)
            m exp_avg   u exp_inf   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ, ε or λ and for a β outside [0, 1); RuntimeError for sparse gradients.
Reference:  torch.optim.Adamax. Differs: see the switches in optimizer.py.
Source:     Kingma and Ba, Adam: a method for stochastic optimization, section 7.1 (2014).
"""

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, options
from scratch.optim.rule import Rule


def adamax(theta, g, m, u, *, t, lr, betas, eps, weight_decay):
    beta1, beta2 = betas
    g = g + weight_decay * theta  # (1)
    m = beta1 * m + (1 - beta1) * g  # (2)
    u = torch.maximum(beta2 * u, g.abs() + eps)  # (3)
    return theta - lr / (1 - beta1**t) * m / u, m, u  # (4)


def adamax_fast(params, grads, m, u, *, t, lr, betas, eps, weight_decay):
    beta1, beta2 = betas
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_lerp_(m, grads, 1 - beta1)  # (2)
    size = torch._foreach_abs(grads)
    torch._foreach_add_(size, eps)
    torch._foreach_mul_(u, beta2)
    torch._foreach_maximum_(u, size)  # (3)
    torch._foreach_addcdiv_(params, m, u, -lr / (1 - beta1**t))  # (4)


class Adamax(Optimizer):
    rule = Rule(adamax, adamax_fast)
    states = "m: exp_avg, u: exp_inf"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))
