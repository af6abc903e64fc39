"""NAdam: Adam with Nesterov's momentum, on a schedule of its own.

    μₜ = β₁ (1 − ½ · 0.96^(t ψ)),  πₜ = μ₁ μ₂ ⋯ μₜ                                (1)
    g ← g + λ θ            or, decoupled,  θ ← θ − γ λ θ                        (2)
    m ← β₁ m + (1 − β₁) g                                                       (3)
    v ← β₂ v + (1 − β₂) g²                                                      (4)
    m̂ = (1 − μₜ) g / (1 − πₜ) + μₜ₊₁ m / (1 − πₜ μₜ₊₁)                          (5)
    θ ← θ − γ m̂ / (√(v / (1 − β₂ᵗ)) + ε)                                        (6)

As in Adam, c₂ = √(1 − β₂ᵗ) is drawn out of the fraction in (6) by the fast form.

Symbols:    γ lr (2e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   λ weight_decay (0)
            ψ momentum_decay (4e-3)   decoupled_weight_decay (False)
            π mu_product (kept in float32, as torch keeps it)   m exp_avg   v exp_avg_sq   t step
            maximize turns the sign of g before (2).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ, ε, λ or ψ and for a β outside [0, 1); RuntimeError for sparse gradients.
Reference:  torch.optim.NAdam. Differs: see the switches in optimizer.py.
Source:     Dozat, Incorporating Nesterov momentum into Adam (2016).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import (
    Optimizer,
    Params,
    check,
    check_betas,
    check_lr,
    number,
    options,
    zero_step,
)
from scratch.optim.rule import Rule, roots_plus


def momentum_at(t: float, beta1: float, momentum_decay: float) -> float:
    return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))  # (1)


def nadam(
    theta, g, m, v,
    *, t, mu_product, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay,
):  # fmt: skip
    beta1, beta2 = betas
    if decoupled_weight_decay:
        theta = theta - lr * weight_decay * theta
    else:
        g = g + weight_decay * theta  # (2)
    m = beta1 * m + (1 - beta1) * g  # (3)
    v = beta2 * v + (1 - beta2) * g * g  # (4)
    mu, mu_next = (momentum_at(time, beta1, momentum_decay) for time in (t, t + 1))
    m_hat = (1 - mu) * g / (1 - mu_product) + mu_next * m / (1 - mu_product * mu_next)  # (5)
    return theta - lr * m_hat / ((v / (1 - beta2**t)).sqrt() + eps), m, v  # (6)


def nadam_fast(
    params, grads, m, v,
    *, t, mu_product, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay,
):  # fmt: skip
    beta1, beta2 = betas
    if weight_decay != 0 and decoupled_weight_decay:
        torch._foreach_mul_(params, 1 - lr * weight_decay)  # (2)
    elif weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (2)
    torch._foreach_lerp_(m, grads, 1 - beta1)  # (3)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, grads, grads, 1 - beta2)  # (4)
    mu, mu_next = (momentum_at(time, beta1, momentum_decay) for time in (t, t + 1))
    c2 = math.sqrt(1 - beta2**t)
    denominator = roots_plus(v, eps * c2)
    torch._foreach_addcdiv_(params, grads, denominator, -lr * c2 * (1 - mu) / (1 - mu_product))
    torch._foreach_addcdiv_(params, m, denominator, -lr * c2 * mu_next / (1 - mu_product * mu_next))  # (5), (6)


class NAdam(Optimizer):
    rule = Rule(nadam, nadam_fast)
    states = "m: exp_avg, v: exp_avg_sq"
    counters = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check(momentum_decay >= 0.0, f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        counts = {"step": zero_step(), "mu_product": zero_step() + 1}
        return counts | super().init_state(param, group)

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, float]:
        t = super().count(state, new, group)["t"]
        mu = momentum_at(t, group["betas"][0], group["momentum_decay"])
        if torch.is_grad_enabled():
            state["mu_product"] = state["mu_product"] * mu
        else:
            state["mu_product"].mul_(mu)
        return {"t": t, "mu_product": number(state["mu_product"])}  # (1)
