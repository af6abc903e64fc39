"""RMSprop: divide the gradient by a running average of its magnitude.

    g ← g + λ θ                                (1)    L2 penalty
    v ← α v + (1 − α) g²                       (2)
    a ← α a + (1 − α) g,  ṽ = v − a²           (3)    centered: variance instead of square; else ṽ = v
    d = √ṽ + ε                                 (4)
    d = √(ṽ + ε)                               (4′)   eps_inside_root, as TensorFlow has it
    θ ← θ − γ g / d                            (5)
    b ← μ b + g / d,  θ ← θ − γ b              (6)    in place of (5) where μ > 0

Symbols:    γ lr (1e-2)   α alpha (0.99)   ε eps (1e-8)   λ weight_decay (0)   μ momentum (0)
            v square_avg   b momentum_buffer   a grad_avg   t step
            maximize turns the sign of g before (1).
Memory:     one copy of the parameters; momentum and centered take one more each.
Errors:     ValueError for a negative γ, α, ε, λ or μ; RuntimeError for sparse gradients.
Reference:  torch.optim.RMSprop. Differs: eps_inside_root is ours; see also the switches in optimizer.py.
Source:     Tieleman and Hinton, Neural networks for machine learning, lecture 6.5 (2012);
            centered: Graves, Generating sequences with recurrent neural networks (2013).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options
from scratch.optim.rule import Rule, roots_plus


def rmsprop(
    theta, g, v, b=None, a=None,
    *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside_root=False,
):  # fmt: skip
    g = g + weight_decay * theta  # (1)
    v = alpha * v + (1 - alpha) * g * g  # (2)
    a = alpha * a + (1 - alpha) * g if centered else None
    spread = v - a * a if centered else v  # (3)
    d = (spread + eps).sqrt() if eps_inside_root else spread.sqrt() + eps  # (4), (4′)
    if b is None:
        return theta - lr * g / d, v, None, a  # (5)
    b = momentum * b + g / d
    return theta - lr * b, v, b, a  # (6)


def rmsprop_fast(
    params, grads, v, b=None, a=None,
    *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside_root=False,
):  # fmt: skip
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    torch._foreach_mul_(v, alpha)
    torch._foreach_addcmul_(v, grads, grads, 1 - alpha)  # (2)
    spread = v
    if centered:
        torch._foreach_lerp_(a, grads, 1 - alpha)
        spread = torch._foreach_addcmul(v, a, a, -1)  # (3)
    if eps_inside_root:
        d = torch._foreach_add(spread, eps)
        torch._foreach_sqrt_(d)  # (4′)
    else:
        d = roots_plus(spread, eps)  # (4)
    if b is None:
        torch._foreach_addcdiv_(params, grads, d, -lr)  # (5)
    else:
        torch._foreach_mul_(b, momentum)
        torch._foreach_addcdiv_(b, grads, d)
        torch._foreach_add_(params, b, alpha=-lr)  # (6)


class RMSprop(Optimizer):
    rule = Rule(rmsprop, rmsprop_fast)
    states = "v: square_avg, b: momentum_buffer, a: grad_avg"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        eps_inside_root: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        super().__init__(params, options(locals(), eps_inside_root=False))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = super().init_state(param, group)
        if group["momentum"] == 0:
            del state["momentum_buffer"]
        if not group["centered"]:
            del state["grad_avg"]
        return state
