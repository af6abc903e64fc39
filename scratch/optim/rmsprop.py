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

from torch import Tensor

from scratch.optim import each
from scratch.optim.optimizer import Optimizer, Params, check, check_lr, options, roots_plus


def rmsprop(
    params, grads, square_avg, momentum_buffer=None, grad_avg=None,
    *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside_root=False,
):  # fmt: skip
    if weight_decay != 0:
        grads = each.add(grads, params, alpha=weight_decay)  # (1)
    each.mul_(square_avg, alpha)
    each.addcmul_(square_avg, grads, grads, 1 - alpha)  # (2)
    square = square_avg
    if centered:
        each.lerp_(grad_avg, grads, 1 - alpha)
        square = each.addcmul(square_avg, grad_avg, grad_avg, -1)  # (3)
    if eps_inside_root:
        root = each.add(square, eps)
        each.sqrt_(root)  # (4′)
    else:
        root = roots_plus(square, eps)  # (4)
    if momentum > 0:
        each.mul_(momentum_buffer, momentum)
        each.addcdiv_(momentum_buffer, grads, root)
        each.add_(params, momentum_buffer, alpha=-lr)  # (6)
    else:
        each.addcdiv_(params, grads, root, -lr)  # (5)


class RMSprop(Optimizer):
    rule = staticmethod(rmsprop)

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
