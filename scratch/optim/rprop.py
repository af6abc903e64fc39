"""Rprop: a step size for each weight, from the signs of its gradients alone.

    g g₋ > 0:   s ← min(η₊ s, s_max)                       (1)    same direction: longer steps
    g g₋ < 0:   s ← max(η₋ s, s_min),  g ← 0               (2)    overshot: shorter steps, and wait
    θ ← θ − s sign(g)                                      (3)
    g₋ ← g                                                 (4)

Symbols:    γ lr (1e-2), the first s   η₋, η₊ etas (0.5, 1.2)   s_min, s_max step_sizes (1e-6, 50)
            s step_size   g₋ prev, zero at first   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ and unless 0 < η₋ < 1 < η₊; RuntimeError for sparse gradients.
Reference:  torch.optim.Rprop. Differs: see the switches in optimizer.py.
Source:     Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP
            algorithm (1993).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_lr, number, options, zero_step
from scratch.optim.rule import Rule


def rprop(theta, g, before, s, *, etas, step_sizes):
    (shrink, grow), (smallest, largest) = etas, step_sizes
    agreement = g * before
    s = torch.where(agreement > 0, grow * s, torch.where(agreement < 0, shrink * s, s)).clamp(smallest, largest)
    g = torch.where(agreement < 0, 0, g)  # (1), (2)
    return theta - s * g.sign(), g, s  # (3), (4)


def rprop_fast(params, grads, before, s, *, etas, step_sizes):
    shrink, grow = etas
    for param, grad, last, size in zip(params, grads, before, s, strict=True):
        agreement = grad * last
        turned = agreement < 0
        factor = torch.ones_like(size).masked_fill_(agreement > 0, grow).masked_fill_(turned, shrink)
        size.mul_(factor).clamp_(*step_sizes)  # (1), (2)
        last.copy_(grad).masked_fill_(turned, 0)  # (2), (4)
        param.addcmul_(torch.sign(last, out=agreement), size, value=-1)  # (3)


class Rprop(Optimizer):
    rule = Rule(rprop, rprop_fast)
    states = "before: prev, s: step_size"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, options(locals()))

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        ones = torch.full_like(param, 1 + 1j if param.is_complex() else 1)
        return {"step": zero_step(), "prev": torch.zeros_like(param), "step_size": ones * number(group["lr"])}
