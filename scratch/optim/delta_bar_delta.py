"""Delta-bar-delta: a gain for each weight, larger while its gradient keeps its sign, smaller when it turns.

    g g₋ > 0:  a ← min(a + up, high)           (1)    from the second step on
    else:      a ← max(a · down, low)          (2)
    b ← μ b + a g                              (3)
    θ ← θ − γ b                                (4)
    g₋ ← g                                     (5)

Adding to a gain and multiplying it down makes large gains decay at once when oscillations start.

Symbols:    γ lr (1e-2)   up (0.05)   down (0.95)   low, high gains (0.1, 10)   μ momentum (0)
            a gain, 1 at first   g₋ prev   b momentum_buffer
            maximize turns the sign of g.
Memory:     two copies of the parameters, three with momentum.
Errors:     ValueError for a negative γ, μ or up, unless 0 < down < 1 and 0 < low ≤ 1 ≤ high; RuntimeError for
            sparse gradients.
Reference:  none in torch; Rprop is its relative that keeps the sign of g alone.
Source:     Jacobs, Increased rates of convergence through learning rate adaptation (1988); in this form Hinton,
            Neural networks for machine learning, lecture 6.4 (2012).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim import each
from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options


def delta_bar_delta(
    params, grads, gain, prev, momentum_buffer=None, *, t, lr, up, down, gains, momentum
):  # fmt: skip
    for a, grad, before in zip(gain, grads, prev, strict=True):
        if t > 1:
            a.copy_(torch.where(grad * before > 0, a + up, a * down)).clamp_(*gains)  # (1) (2)
        before.copy_(grad)  # (5)
    updates = each.mul(gain, grads)
    if momentum != 0:
        each.mul_(momentum_buffer, momentum)
        each.add_(momentum_buffer, updates)  # (3)
        updates = momentum_buffer
    each.add_(params, updates, alpha=-lr)  # (4)


class DeltaBarDelta(Optimizer):
    rule = staticmethod(delta_bar_delta)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        up: float = 0.05,
        down: float = 0.95,
        gains: tuple[float, float] = (0.1, 10.0),
        momentum: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(up >= 0.0, f"Invalid up value: {up}")
        check(0.0 < down < 1.0, f"Invalid down value: {down}")
        check(0.0 < gains[0] <= 1.0 <= gains[1], f"Invalid gains: {gains[0]}, {gains[1]}")
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        one = complex(1, 1) if param.is_complex() else 1  # a gain for each of the two parts
        state = {"gain": torch.full_like(param, one), "prev": torch.zeros_like(param)}
        if group["momentum"] != 0:
            state["momentum_buffer"] = torch.zeros_like(param)
        return state
