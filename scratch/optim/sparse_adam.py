"""SparseAdam: Adam on those numbers only that the gradient holds, as an embedding's rows.

At every index that the gradient holds, and at no other:

    m ← m + (1 − β₁)(g − m)                                              (1)
    v ← v + (1 − β₂)(g² − v)                                             (2)
    θ ← θ − γ √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε)                      (3)

Unlike Adam's, the averages of the rest do not decay, and t counts the steps of the whole tensor.

Symbols:    γ lr (1e-3)   β₁, β₂ betas (0.9, 0.999)   ε eps (1e-8)   m exp_avg   v exp_avg_sq   t step, an int
            maximize turns the sign of g.
Memory:     two copies of the parameters; time and traffic only for what the gradient holds.
Errors:     ValueError unless γ > 0 and ε > 0, for a β outside [0, 1), for sparse or complex parameters;
            RuntimeError for dense gradients.
Reference:  torch.optim.SparseAdam. Differs: nothing.
Source:     Kingma and Ba, Adam: a method for stochastic optimization (2014).
"""

from typing import Any

from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, check_betas, options
from scratch.optim.rule import Rule


def sparse_adam(theta, g, m, v, *, t, lr, betas, eps):
    """The update of the numbers at those indices."""
    beta1, beta2 = betas
    m = m + (1 - beta1) * (g - m)  # (1)
    v = v + (1 - beta2) * (g * g - v)  # (2)
    return theta - lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t) * m / (v.sqrt() + eps), m, v  # (3)


class SparseAdam(Optimizer):
    rule = Rule(sparse_adam)
    states = "m: exp_avg, v: exp_avg_sq"
    counters = ()  # its count is no tensor
    takes_sparse = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
        check(lr > 0.0, f"Invalid learning rate: {lr}")
        check(eps > 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, options(locals()))
        places = [(i, j, p) for i, group in enumerate(self.param_groups) for j, p in enumerate(group["params"])]
        sparse = [[i, j] for i, j, p in places if p.is_sparse]
        check(not sparse, f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")
        complexes = [[i, j] for i, j, p in places if p.is_complex()]
        check(
            not complexes,
            f"Complex params at indices {complexes}: SparseAdam does not support complex parameters",
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return super().init_state(param, group) | {"step": 0}

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, float]:
        state["step"] += 1
        return {"t": state["step"]}

    def update(self, group: dict[str, Any]) -> None:
        if any(param.grad is not None and not param.grad.is_sparse for param in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        super().update(group)
