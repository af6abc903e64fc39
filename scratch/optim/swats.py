"""SWATS: begin as Adam, and go over to SGD when the step size that SGD would need has settled.

As Adam, with p its step and all parameters of a group as one vector:

    p = the step of Adam;  θ ← θ + p                                     (1)    see adam.py
    γ̃ = pᵀp / −pᵀg,  where pᵀg ≠ 0                                       (2)    the SGD step whose projection
    λ ← β₂ λ + (1 − β₂) γ̃                                                (3)    on p is p has this size
    t > 1 and |λ / (1 − β₂ᵗ) − γ̃| < tolerance:  Λ = λ / (1 − β₂ᵗ)        (4)    go over

As SGD ever after:

    b ← β₁ b + g,  b₀ = 0                                                (5)
    θ ← θ − (1 − β₁) Λ b                                                 (6)

Λ must be positive to go over. A schedule of γ acts on Λ too, which is scaled by γ / the γ at the change.

(4) compares an average with a single estimate, which a mini-batch makes noisy. Within the default tolerance the two
meet by accident only: with a perceptron 64-32-10 on scikit-learn's digits in batches of 32, where both are about 0.07,
never in 3 × 1 600 steps. With tolerance = γ = 1e-3 it went over at steps 2 to 14, with γ / 10 at steps 14 to 189.

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-9)   tolerance (1e-9; the paper's ε is both)
            m exp_avg   v exp_avg_sq   b momentum_buffer   t step
            λ projection, Λ sgd_lr (None as Adam) and the γ at the change switch_lr: in the parameter group
            maximize turns the sign of g.
Memory:     two copies of the parameters as Adam, one as SGD.
Errors:     ValueError for a negative γ, ε or tolerance and for a β outside [0, 1); RuntimeError for sparse
            gradients.
Reference:  none in torch.
Source:     Keskar and Socher, Improving generalization performance by switching from Adam to SGD, algorithm 1
            (2017).
"""

from typing import Any

import torch
from torch import Tensor

from scratch.optim.adam import Adam
from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, number, options, zero_step
from scratch.optim.sgd import SGD


def inner(xs, ys) -> float:
    return sum(float(x.reshape(-1).dot(y.reshape(-1))) for x, y in zip(xs, ys, strict=True))


class SWATS(Optimizer):
    rule = Adam.rule
    states = "m: exp_avg, v: exp_avg_sq, b: momentum_buffer"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-9,
        tolerance: float = 1e-9,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(tolerance >= 0.0, f"Invalid tolerance: {tolerance}")
        super().__init__(params, options(locals()) | {"projection": 0.0, "sgd_lr": None, "switch_lr": None})

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        names = ("exp_avg", "exp_avg_sq") if group["sgd_lr"] is None else ("momentum_buffer",)
        return {"step": zero_step(), **{name: torch.zeros_like(param) for name in names}}

    def update(self, group: dict[str, Any]) -> None:
        lr, betas = number(group["lr"]), number(group["betas"])
        if group["sgd_lr"] is not None:
            rate = (1 - betas[0]) * group["sgd_lr"] * (lr / group["switch_lr"])
            constants = {"lr": rate, "momentum": betas[0], "dampening": 0, "weight_decay": 0, "nesterov": False}
            for params, grads, state, counts in self.batches(group):
                SGD.rule(params, grads, state, counts | constants)  # (5), (6)
            return
        pp = pg = t = 0.0
        constants = {"lr": lr, "betas": betas, "eps": group["eps"], "weight_decay": 0, "amsgrad": False}
        for params, grads, state, counts in self.batches(group):
            p = [torch.zeros_like(grad) for grad in grads]
            Adam.rule(p, grads, state, counts | constants | {"decoupled_weight_decay": False})
            torch._foreach_add_(params, p)  # (1)
            pp, pg, t = pp + inner(p, p), pg + inner(p, grads), max(t, counts["t"])
        if pg == 0:
            return
        estimate = pp / -pg  # (2)
        group["projection"] = betas[1] * group["projection"] + (1 - betas[1]) * estimate  # (3)
        settled = group["projection"] / (1 - betas[1] ** t)
        if t > 1 and abs(settled - estimate) < group["tolerance"] and settled > 0:  # (4)
            group.update(sgd_lr=settled, switch_lr=lr)
            for param in group["params"]:
                if param in self.state:
                    step = self.state[param]["step"]
                    self.state[param] = {"step": step, "momentum_buffer": torch.zeros_like(param)}
