"""Adam: a step size for each number, from running averages of the gradient and of its square.

    g ← g + λ θ            or, decoupled (AdamW),  θ ← θ − γ λ θ         (1)
    m ← β₁ m + (1 − β₁) g                                                (2)
    v ← β₂ v + (1 − β₂) g²                                               (3)
    v ← max(v, β₂ v + (1 − β₂) g²)                                       (3′)   monotone, in place of (3)
    v̂ ← v;  AMSGrad: v̂ ← max(v̂, v)                                      (4)
    θ ← θ − γ (m / (1 − β₁ᵗ)) / (√(v̂ / (1 − β₂ᵗ)) + ε)                   (5)

In the fast form the corrections c₁ = 1 − β₁ᵗ and c₂ = √(1 − β₂ᵗ) are drawn out of the fraction, and cost no pass:

    θ ← θ − (γ c₂ / c₁) m / (√v̂ + ε c₂)                                  (5′)

(3′) has the maximum inside the recursion: v can only grow, towards the largest g² instead of their average, and every
rise that chance brings stays. (4) compares averages and grows far less.

Without bias_correction c₁ = c₂ = 1, and the first steps are (1 − β₁) / √(1 − β₂) ≈ 3 times as long.

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   λ weight_decay (0; AdamW 1e-2)
            m exp_avg   v exp_avg_sq   v̂ max_exp_avg_sq   t step
            monotone (False)   maximize turns the sign of g before (1).
Memory:     two copies of the parameters, three with amsgrad.
Errors:     ValueError for a negative γ, ε or λ and for a β outside [0, 1); RuntimeError for sparse gradients.
Reference:  torch.optim.Adam, torch.optim.AdamW. Differs: bias_correction and monotone are ours; see also the
            switches in optimizer.py.
Source:     Kingma and Ba, Adam: a method for stochastic optimization (2014); Reddi, Kale and Kumar, On the
            convergence of Adam and beyond (2018); Loshchilov and Hutter, Decoupled weight decay
            regularization (2017).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, options
from scratch.optim.rule import Rule, roots_plus


def adam(
    theta, g, m, v, v_max=None,
    *, t, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay, bias_correction=True, monotone=False,
):  # fmt: skip
    beta1, beta2 = betas
    if decoupled_weight_decay:
        theta = theta - lr * weight_decay * theta
    else:
        g = g + weight_decay * theta  # (1)
    m = beta1 * m + (1 - beta1) * g  # (2)
    risen = beta2 * v + (1 - beta2) * g * g
    v = torch.maximum(v, risen) if monotone else risen  # (3), (3′)
    v_max = torch.maximum(v_max, v) if amsgrad else None  # (4)
    c1, c2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1.0, 1.0)
    theta = theta - lr * (m / c1) / (((v_max if amsgrad else v) / c2).sqrt() + eps)  # (5)
    return theta, m, v, v_max


def adam_fast(
    params, grads, m, v, v_max=None,
    *, t, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay, bias_correction=True, monotone=False,
):  # fmt: skip
    beta1, beta2 = betas
    if weight_decay != 0 and decoupled_weight_decay:
        torch._foreach_mul_(params, 1 - lr * weight_decay)  # (1)
    elif weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_lerp_(m, grads, 1 - beta1)  # (2)
    before = [x.clone() for x in v] if monotone else None
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, grads, grads, 1 - beta2)  # (3)
    if before is not None:
        torch._foreach_maximum_(v, before)  # (3′)
    if amsgrad:
        torch._foreach_maximum_(v_max, v)  # (4)
    c1, c2 = (1 - beta1**t, math.sqrt(1 - beta2**t)) if bias_correction else (1.0, 1.0)
    denominator = roots_plus(v_max if amsgrad else v, eps * c2)
    torch._foreach_addcdiv_(params, m, denominator, -lr * c2 / c1)  # (5′)


class Adam(Optimizer):
    rule = Rule(adam, adam_fast)
    states = "m: exp_avg, v: exp_avg_sq, v_max: max_exp_avg_sq"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        monotone: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(
            all(isinstance(beta, float) for beta in betas) or all(isinstance(beta, Tensor) for beta in betas),
            "betas must be either both floats or both Tensors",
        )
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals(), bias_correction=True, monotone=False))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = super().init_state(param, group)
        if not group["amsgrad"]:
            del state["max_exp_avg_sq"]
        return state


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        bias_correction: bool = True,
        monotone: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach,
            capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
            bias_correction=bias_correction, monotone=monotone,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # also where the state was saved by Adam
            group["decoupled_weight_decay"] = True
