"""ASGD: gradient descent with a falling step size, and the average of the path it takes.

    g ← g + λ₂ θ                               (1)    L2 penalty
    θ ← (1 − λ η) θ − η g                      (2)
    a ← a + μ (θ − a)                          (3)    the averaged weights
    η ← γ / (1 + λ γ t)^α                      (4)
    μ ← 1 / max(1, t − t₀)                     (5)    1 up to t₀: a is θ

Symbols:    γ lr (1e-2), the first η   λ lambd (1e-4)   α alpha (0.75)   t₀ t0 (1e6)   λ₂ weight_decay (0)
            η eta and μ mu (kept in float32, as torch keeps them)   a ax   t step
            maximize turns the sign of g before (1).
Memory:     one copy of the parameters: a, which is what one tests with, ``optimizer.state[param]["ax"]``.
Errors:     ValueError for a negative γ, λ, α or λ₂; RuntimeError for sparse gradients.
Reference:  torch.optim.ASGD. Differs: see the switches in optimizer.py.
Source:     Polyak and Juditsky, Acceleration of stochastic approximation by averaging (1992).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, number, options, zero_step
from scratch.optim.rule import Rule


def asgd(theta, g, a, *, eta, mu, lambd, weight_decay):
    g = g + weight_decay * theta  # (1)
    theta = (1 - lambd * eta) * theta - eta * g  # (2)
    return theta, (1 - mu) * a + mu * theta  # (3)


def asgd_fast(params, grads, a, *, eta, mu, lambd, weight_decay):
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_mul_(params, 1 - lambd * eta)
    torch._foreach_add_(params, grads, alpha=-eta)  # (2)
    if mu == 1:
        torch._foreach_copy_(a, params)
    else:
        torch._foreach_lerp_(a, params, mu)  # (3)


class ASGD(Optimizer):
    rule = Rule(asgd, asgd_fast)
    states = "a: ax"
    counters = ("step", "eta", "mu")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check(lambd >= 0.0, f"Invalid lambd value: {lambd}")
        check(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        step = zero_step().to(param.device)
        eta, mu = step + number(group["lr"]), step + 1
        return {"step": step, "eta": eta, "mu": mu, "ax": torch.zeros_like(param)}

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, float]:
        eta, mu = number(state["eta"]), number(state["mu"])
        state["step"] += 1
        t, lr = state["step"].item(), number(group["lr"])
        next_eta = lr / (1 + number(group["lambd"]) * lr * t) ** number(group["alpha"])  # (4)
        if torch.is_grad_enabled():
            state["eta"] = torch.zeros_like(state["eta"]) + next_eta
        else:
            state["eta"].fill_(next_eta)
        state["mu"].fill_(1 / max(1, t - group["t0"]))  # (5)
        return {"eta": eta, "mu": mu}
