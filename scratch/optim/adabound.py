"""AdaBound: Adam whose step size for each number is held between bounds that close on that of SGD.

    g ← g + λ θ                                                          (1)    L2 penalty
    m ← β₁ m + (1 − β₁) g                                                (2)
    v ← β₂ v + (1 − β₂) g²                                               (3)
    v̂ ← v;  AMSBound: v̂ ← max(v̂, v)                                      (4)
    η = γ √(1 − β₂ᵗ) / (1 − β₁ᵗ) / (√v̂ + ε)                              (5)    Adam's step size
    η ← min(max(η, low), high)                                           (6)
    low = γ* (1 − 1 / (κ t + 1)),  high = γ* (1 + 1 / (κ t))             (7)    both tend to γ*
    θ ← θ − η m                                                          (8)

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   γ* final_lr (0.1), which follows a schedule of γ:
            times γ / base_lr, the γ at construction   κ gamma (1e-3)   ε eps (1e-8)   λ weight_decay (0)
            amsbound (False)   m exp_avg   v exp_avg_sq   v̂ max_exp_avg_sq   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters, three with amsbound.
Errors:     ValueError for a negative γ, γ*, ε or λ, for a β outside [0, 1) and for κ outside (0, 1);
            RuntimeError for sparse gradients.
Reference:  none in torch.
Source:     Luo, Xiong, Liu and Sun, Adaptive gradient methods with dynamic bound of learning rate (2019); (5),
            (7) and the defaults are those of the code published with it.
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, number, options
from scratch.optim.rule import Rule, roots_plus


def adabound(
    theta, g, m, v, v_max=None, *, t, lr, base_lr, betas, final_lr, gamma, eps, weight_decay, amsbound
):  # fmt: skip
    beta1, beta2 = betas
    g = g + weight_decay * theta  # (1)
    m = beta1 * m + (1 - beta1) * g  # (2)
    v = beta2 * v + (1 - beta2) * g * g  # (3)
    v_max = torch.maximum(v_max, v) if amsbound else None  # (4)
    eta = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t) / ((v_max if amsbound else v).sqrt() + eps)  # (5)
    low, high = bounds(t, lr, base_lr, final_lr, gamma)
    eta = torch.clamp(eta, low, high)  # (6)
    return theta - eta * m, m, v, v_max  # (8)


def bounds(t, lr, base_lr, final_lr, gamma):
    final = final_lr * lr / base_lr if base_lr else 0.0
    return final * (1 - 1 / (gamma * t + 1)), final * (1 + 1 / (gamma * t))  # (7)


def adabound_fast(
    params, grads, m, v, v_max=None, *, t, lr, base_lr, betas, final_lr, gamma, eps, weight_decay, amsbound
):  # fmt: skip
    beta1, beta2 = betas
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_lerp_(m, grads, 1 - beta1)  # (2)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, grads, grads, 1 - beta2)  # (3)
    if amsbound:
        torch._foreach_maximum_(v_max, v)  # (4)
    eta = roots_plus(v_max if amsbound else v, eps)
    torch._foreach_reciprocal_(eta)
    torch._foreach_mul_(eta, lr * math.sqrt(1 - beta2**t) / (1 - beta1**t))  # (5)
    low, high = bounds(t, lr, base_lr, final_lr, gamma)
    torch._foreach_clamp_min_(eta, low)
    torch._foreach_clamp_max_(eta, high)  # (6)
    torch._foreach_addcmul_(params, m, eta, -1)  # (8)


class AdaBound(Optimizer):
    rule = Rule(adabound, adabound_fast, compiles=False)  # (6) between numbers
    states = "m: exp_avg, v: exp_avg_sq, v_max: max_exp_avg_sq"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        final_lr: float = 0.1,
        gamma: float = 1e-3,
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsbound: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(final_lr >= 0.0, f"Invalid final learning rate: {final_lr}")
        check(0.0 < gamma < 1.0, f"Invalid gamma parameter: {gamma}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        param_group.setdefault("base_lr", number(param_group["lr"]))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = super().init_state(param, group)
        if not group["amsbound"]:
            del state["max_exp_avg_sq"]
        return state
