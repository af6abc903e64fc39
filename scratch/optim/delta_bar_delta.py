"""Delta-bar-delta: a gain for each weight, larger while its gradient keeps its sign, smaller when it turns.

    g g₋ > 0:  a ← min(a + up, high)           (1)    from the second step on
    else:      a ← max(a · down, low)          (2)
    g b > 0 in place of g g₋ > 0               (1′)   by_velocity: the weight moves by −b, and g agrees
    b ← μ b + a g                              (3)
    θ ← θ − γ b                                (4)
    g₋ ← g                                     (5)

Adding to a gain and multiplying it down makes large gains decay at once when oscillations start. The velocity b is an
average of many gradients, so that (1′) is misled less by one of them, such as a batch's, than (1) is.

Symbols:    γ lr (1e-2)   up (0.05)   down (0.95)   low, high gains (0.1, 10)   μ momentum (0)
            a gain, 1 at first   g₋ prev   b momentum_buffer   by_velocity (False)
            maximize turns the sign of g.
Memory:     two copies of the parameters; three with momentum, again two by velocity, which needs no g₋.
Errors:     ValueError for a negative γ, μ or up, unless 0 < down < 1 and 0 < low ≤ 1 ≤ high, and for by_velocity
            without momentum; RuntimeError for sparse gradients.
Reference:  none in torch; Rprop is its relative that keeps the sign of g alone.
Source:     Jacobs, Increased rates of convergence through learning rate adaptation (1988); in this form Hinton,
            Neural networks for machine learning, lecture 6.4 (2012), (1′) too.
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options
from scratch.optim.rule import Rule, decay_and_add_


def delta_bar_delta(
    theta, g, a, before=None, b=None, *, first, lr, up, down, gains, momentum, by_velocity=False
):  # fmt: skip
    low, high = gains
    if not first:
        agree = g * (b if by_velocity else before) > 0
        a = torch.where(agree, (a + up).clamp(max=high), (a * down).clamp(min=low))  # (1), (1′), (2)
    step = a * g
    if momentum != 0:
        step = b = momentum * b + step  # (3)
    return theta - lr * step, a, None if by_velocity else g, b  # (4), (5)


def delta_bar_delta_fast(
    params, grads, a, before=None, b=None, *, first, lr, up, down, gains, momentum, by_velocity=False
):  # fmt: skip
    low, high = gains
    if not first:
        for gain, g, last in zip(a, grads, b if by_velocity else before, strict=True):
            gain.copy_(torch.where(g * last > 0, gain + up, gain * down)).clamp_(low, high)  # (1), (1′), (2)
    if not by_velocity:
        torch._foreach_copy_(before, grads)  # (5)
    steps = torch._foreach_mul(a, grads)
    if momentum != 0:
        decay_and_add_(b, steps, momentum)  # (3)
        steps = b
    torch._foreach_add_(params, steps, alpha=-lr)  # (4)


class DeltaBarDelta(Optimizer):
    rule = Rule(delta_bar_delta, delta_bar_delta_fast)
    states = "a: gain, before: prev, b: momentum_buffer"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        up: float = 0.05,
        down: float = 0.95,
        gains: tuple[float, float] = (0.1, 10.0),
        momentum: float = 0,
        by_velocity: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(up >= 0.0, f"Invalid up value: {up}")
        check(0.0 < down < 1.0, f"Invalid down value: {down}")
        check(0.0 < gains[0] <= 1.0 <= gains[1], f"Invalid gains: {gains[0]}, {gains[1]}")
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(momentum > 0 or not by_velocity, "by_velocity requires a momentum")
        super().__init__(params, options(locals()))

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, Any]:
        return {"first": new}

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        one = complex(1, 1) if param.is_complex() else 1  # a gain for each of the two parts
        state = {"gain": torch.full_like(param, one)}
        if not group["by_velocity"]:
            state["prev"] = torch.zeros_like(param)
        if group["momentum"] != 0:
            state["momentum_buffer"] = torch.zeros_like(param)
        return state
