"""RAdam: Adam that does not divide by v until enough gradients have been seen to trust it.

    g ← g + λ θ            or, decoupled,  θ ← θ − γ λ θ                        (1)
    m ← β₁ m + (1 − β₁) g                                                       (2)
    v ← β₂ v + (1 − β₂) g²                                                      (3)
    ρ∞ = 2 / (1 − β₂) − 1,  ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)                         (4)    degrees of freedom of v
    ρ > 5:  r = √( (ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ) )
            θ ← θ − γ m / (1 − β₁ᵗ) · r √(1 − β₂ᵗ) / (√v + ε)                    (5)
    else:   θ ← θ − γ m / (1 − β₁ᵗ)                                              (6)

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   λ weight_decay (0)
            decoupled_weight_decay (False)   m exp_avg   v exp_avg_sq   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ, ε or λ and for a β outside [0, 1); RuntimeError for sparse gradients.
Reference:  torch.optim.RAdam. Differs: see the switches in optimizer.py.
Source:     Liu, Jiang, He, Chen, Liu, Gao and Han, On the variance of the adaptive learning rate and
            beyond (2019).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, number, options
from scratch.optim.rule import Rule, roots_plus


def radam(theta, g, m, v, *, t, rectified, lr, betas, eps, weight_decay, decoupled_weight_decay):
    beta1, beta2 = betas
    if decoupled_weight_decay:
        theta = theta - lr * weight_decay * theta
    else:
        g = g + weight_decay * theta  # (1)
    m = beta1 * m + (1 - beta1) * g  # (2)
    v = beta2 * v + (1 - beta2) * g * g  # (3)
    step = lr * m / (1 - beta1**t)
    if rectified:
        step = step * rectification(t, beta2) * (1 - beta2**t) ** 0.5 / (v.sqrt() + eps)
    return theta - step, m, v  # (5), (6)


def degrees_of_freedom(t, beta2):
    rho_inf = 2 / (1 - beta2) - 1
    return rho_inf, rho_inf - 2 * t * beta2**t / (1 - beta2**t)  # (4)


def rectification(t, beta2):
    rho_inf, rho = degrees_of_freedom(t, beta2)
    return ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5  # r in (5)


def radam_fast(params, grads, m, v, *, t, rectified, lr, betas, eps, weight_decay, decoupled_weight_decay):
    beta1, beta2 = betas
    if weight_decay != 0 and decoupled_weight_decay:
        torch._foreach_mul_(params, 1 - lr * weight_decay)  # (1)
    elif weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_lerp_(m, grads, 1 - beta1)  # (2)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, grads, grads, 1 - beta2)  # (3)
    rate = lr / (1 - beta1**t)
    if rectified:
        denominator = roots_plus(v, eps)
        torch._foreach_addcdiv_(
            params, m, denominator, -rate * rectification(t, beta2) * math.sqrt(1 - beta2**t)
        )  # (5)
    else:
        torch._foreach_add_(params, m, alpha=-rate)  # (6)


class RAdam(Optimizer):
    rule = Rule(radam, radam_fast)
    states = "m: exp_avg, v: exp_avg_sq"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, Any]:
        t = super().count(state, new, group)["t"]
        return {"t": t, "rectified": degrees_of_freedom(t, number(group["betas"][1]))[1] > 5}
