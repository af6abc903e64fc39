"""Nesterov's momentum as Sutskever writes it: look where the momentum leads, and take the gradient there.

    g = ∇f(θ + μ v)                            (1)    the closure, called with θ + μ v in the parameters
    v ← μ v − γ g                              (2)
    θ ← θ + v                                  (3)    = (θ + μ v) − γ g

``SGD(nesterov=True)`` keeps θ + μ v in the parameters instead, which needs no closure; with constant γ and μ
its path is that of the points at which (1) looks.

Symbols:    γ lr (1e-3)   μ momentum (0.9)   v velocity, zero at first
            maximize turns the sign of g.
Memory:     one copy of the parameters.
Errors:     ValueError for a negative γ or μ.
Reference:  none in torch.
Source:     Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²) (1983);
            Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
            learning, equations 3 and 4 (2013).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, number, options
from scratch.optim.rule import Rule


def nesterov(theta, g, v, *, lr, momentum):
    """``theta`` is θ + μ v, and ``g`` the gradient there."""
    v = momentum * v - lr * g  # (2)
    return theta - lr * g, v  # (3)


def nesterov_fast(params, grads, v, *, lr, momentum):
    torch._foreach_mul_(v, momentum)
    torch._foreach_add_(v, grads, alpha=-lr)  # (2)
    torch._foreach_add_(params, grads, alpha=-lr)  # (3)


class Nesterov(Optimizer):
    rule = Rule(nesterov, nesterov_fast)
    states = "v: velocity"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, momentum: float = 0.9, *, maximize: bool = False
    ) -> None:
        check_lr(lr)
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"velocity": torch.zeros_like(param)}

    @torch.no_grad()
    def step(self, closure):  # type: ignore[override]  # not without a closure
        """One update. Returns the loss at θ + μ v."""
        moved = [
            (param, self.state[param]["velocity"] * number(group["momentum"]))
            for group in self.param_groups
            for param in group["params"]
            if param in self.state
        ]
        for param, ahead in moved:
            param.add_(ahead)
        loss = torch.enable_grad()(closure)()  # (1)
        for param, ahead in moved:
            if param.grad is None:  # nothing to update: back to θ
                param.sub_(ahead)
        for group in self.param_groups:
            self.update(group)
        return loss
