"""SGD: stochastic gradient descent, with momentum.

    g ← g + λ θ                                (1)    L2 penalty
    b ← μ b + (1 − τ) g,  b₁ = g₁              (2)    momentum
    g ← g + μ b  (Nesterov)  or  b             (3)
    θ ← θ − γ g                                (4)

    b ← μ b + (1 − μ) g,  b₀ = 0               (2′)   moving_average: b has the size of a gradient

Symbols:    γ lr (1e-3)   μ momentum (0)   τ dampening (0)   λ weight_decay (0)   b momentum_buffer
            maximize turns the sign of g before (1).
Memory:     one copy of the parameters with momentum, none without.
Sparse:     taken; b is then sparse too.
Errors:     ValueError for a negative γ, μ or λ, and for Nesterov without momentum or with dampening.
Reference:  torch.optim.SGD. Differs: moving_average is ours; see also the switches in optimizer.py.
Source:     Robbins and Monro, A stochastic approximation method (1951); Polyak, Some methods of speeding up
            the convergence of iteration methods (1964); Sutskever, Martens, Dahl and Hinton, On the
            importance of initialization and momentum in deep learning (2013).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options
from scratch.optim.rule import Rule, decay_and_add_


def sgd(
    theta, g, b=None, *, t, lr, momentum, dampening, weight_decay, nesterov, moving_average=False
):  # fmt: skip
    g = g + weight_decay * theta  # (1)
    if b is None:
        return theta - lr * g  # (4), without momentum
    if moving_average:
        b = momentum * b + (1 - momentum) * g  # (2′)
    else:
        b = momentum * b + (1 - dampening * (t > 1)) * g  # (2), from b₀ = 0
    g = g + momentum * b if nesterov else b  # (3)
    return theta - lr * g, b  # (4)


def sgd_fast(
    params, grads, b=None, *, t, lr, momentum, dampening, weight_decay, nesterov, moving_average=False
):  # fmt: skip
    if weight_decay != 0:
        grads = torch._foreach_add(grads, params, alpha=weight_decay)  # (1)
    if momentum == 0:
        return torch._foreach_add_(params, grads, alpha=-lr)  # (4)
    if moving_average:
        torch._foreach_lerp_(b, grads, 1 - momentum)  # (2′)
    elif t == 1 or dampening == 0:
        decay_and_add_(b, grads, momentum)  # (2)
    else:
        decay_and_add_(b, torch._foreach_mul(grads, 1 - dampening), momentum)  # (2)
    if nesterov:
        torch._foreach_add_(params, grads, alpha=-lr)
        lr = lr * momentum
    torch._foreach_add_(params, b, alpha=-lr)  # (3) and (4)


class SGD(Optimizer):
    rule = Rule(sgd, sgd_fast, linear=True)
    states = "b: momentum_buffer"
    takes_sparse = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        moving_average: bool = False,
    ) -> None:
        check_lr(lr)
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(
            not nesterov or (momentum > 0 and dampening == 0),
            "Nesterov momentum requires a momentum and zero dampening",
        )
        super().__init__(params, options(locals(), moving_average=False))

    def init_state(self, param: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": torch.zeros_like(param.grad)} if group["momentum"] != 0 else {}
