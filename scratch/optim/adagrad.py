"""Adagrad: each number's step shrinks with the sum of its squared gradients.

    g ← g + λ θ                                (1)    L2 penalty
    s ← s + g²,  s₀ = τ                        (2)
    θ ← θ − γₜ g / (√s + ε)                    (3)    γₜ = γ / (1 + (t − 1) η)
    θ ← θ − γₜ g / √(s + ε)                    (3′)   eps_inside_root, as the paper has it

Symbols:    γ lr (1e-2)   η lr_decay (0)   λ weight_decay (0)   τ initial_accumulator_value (0)
            ε eps (1e-10)   s sum   t step
            maximize turns the sign of g before (1).
Memory:     one copy of the parameters, made at construction.
Sparse:     taken; (2) and (3) act on the numbers that the gradient holds. Not together with λ: RuntimeError.
Errors:     ValueError for a negative γ, η, λ, τ or ε.
Reference:  torch.optim.Adagrad. Differs: eps_inside_root is ours; see also the switches in optimizer.py.
Source:     Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic
            optimization (2011).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options, zero_step
from scratch.optim.rule import Rule, roots_plus


def adagrad(theta, g, s, *, t, lr, lr_decay, weight_decay, eps, eps_inside_root=False):
    g = g + weight_decay * theta  # (1)
    s = s + g * g  # (2)
    root = (s + eps).sqrt() if eps_inside_root else s.sqrt() + eps
    return theta - lr / (1 + (t - 1) * lr_decay) * g / root, s  # (3), (3′)


def adagrad_fast(params, grads, s, *, t, lr, lr_decay, weight_decay, eps, eps_inside_root=False):
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_addcmul_(s, grads, grads)  # (2)
    if eps_inside_root:
        root = torch._foreach_add(s, eps)
        torch._foreach_sqrt_(root)
    else:
        root = roots_plus(s, eps)
    torch._foreach_addcdiv_(params, grads, root, -lr / (1 + (t - 1) * lr_decay))  # (3), (3′)


class Adagrad(Optimizer):
    rule = Rule(adagrad, adagrad_fast)
    states = "s: sum"
    takes_sparse = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        eps_inside_root: bool = False,
    ) -> None:
        check_lr(lr)
        check(lr_decay >= 0.0, f"Invalid lr_decay value: {lr_decay}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(
            initial_accumulator_value >= 0.0,
            f"Invalid initial_accumulator_value value: {initial_accumulator_value}",
        )
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        super().__init__(params, options(locals(), eps_inside_root=False))
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self.init_state(param, group)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        value = group["initial_accumulator_value"]
        fill = complex(value, value) if param.is_complex() else value
        return {"step": zero_step(), "sum": torch.full_like(param, fill)}

    def update(self, group: dict[str, Any]) -> None:
        sparse = any(param.grad is not None and param.grad.is_sparse for param in group["params"])
        if sparse and group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        super().update(group)

    def share_memory(self) -> None:
        """Move the sums to shared memory, for training in several processes (Hogwild)."""
        for state in self.state.values():
            state["sum"].share_memory_()
