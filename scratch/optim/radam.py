"""RAdam: Adam that does not divide by v until enough gradients have been seen to trust it.

    g ← g + λ θ            or, decoupled,  θ ← θ − γ λ θ                        (1)
    m ← β₁ m + (1 − β₁) g                                                       (2)
    v ← β₂ v + (1 − β₂) g²                                                      (3)
    ρ∞ = 2 / (1 − β₂) − 1,  ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)                         (4)    degrees of freedom of v
    ρ > 5:  r = √( (ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ) )
            θ ← θ − γ m / (1 − β₁ᵗ) · r √(1 − β₂ᵗ) / (√v + ε)                    (5)
    else:   θ ← θ − γ m / (1 − β₁ᵗ)                                              (6)

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   λ weight_decay (0)
            decoupled_weight_decay (False)   m exp_avg   v exp_avg_sq   t step
            maximize turns the sign of g before (1).
Memory:     two copies of the parameters.
Errors:     ValueError for a negative γ, ε or λ and for a β outside [0, 1); RuntimeError for sparse gradients.
Reference:  torch.optim.RAdam. Differs: see the switches in optimizer.py.
Source:     Liu, Jiang, He, Chen, Liu, Gao and Han, On the variance of the adaptive learning rate and
            beyond (2019).
"""

from torch import Tensor

from scratch.optim import each
from scratch.optim.optimizer import Optimizer, Params, check, check_betas, check_lr, options, root, roots_plus


def radam(
    params, grads, exp_avg, exp_avg_sq, *, t, lr, betas, eps, weight_decay, decoupled_weight_decay
):  # fmt: skip
    beta1, beta2 = betas
    if weight_decay != 0 and decoupled_weight_decay:
        each.mul_(params, 1 - lr * weight_decay)  # (1)
    elif weight_decay != 0:
        grads = each.add(grads, params, alpha=weight_decay)  # (1)
    each.lerp_(exp_avg, grads, 1 - beta1)  # (2)
    each.mul_(exp_avg_sq, beta2)
    each.addcmul_(exp_avg_sq, grads, grads, 1 - beta2)  # (3)
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / c2  # (4)
    if rho > 5:
        r = root((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        denominator = roots_plus(exp_avg_sq, eps)
        each.addcdiv_(params, exp_avg, denominator, -lr * r * root(c2) / c1)  # (5)
    else:
        each.add_(params, exp_avg, alpha=-lr / c1)  # (6)


class RAdam(Optimizer):
    rule = staticmethod(radam)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, options(locals()))
