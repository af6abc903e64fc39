"""Muon: momentum whose update is made orthogonal, for the weight matrices of hidden layers.

    b ← μ b + (1 − μ) g                                                  (1)
    u = (1 − μ) g + μ b  (nesterov)  or  b                               (2)
    o = NS(u)                                                            (3)    ≈ U Vᵀ where u = U S Vᵀ
    θ ← θ − γ λ θ                                                        (4)
    θ ← θ − γ f o                                                        (5)

NS, a Newton-Schulz iteration in bfloat16, sends every singular value s of u / ‖u‖ through the polynomial
a s + b s³ + c s⁵ k times; with a, b, c as below all come to lie near 1:

    x ← u / max(‖u‖, ε);  k times:  A = x xᵀ,  x ← a x + (b A + c A²) x  (6)

Symbols:    γ lr (1e-3)   λ weight_decay (0.1)   μ momentum (0.95)   nesterov (True)
            a, b, c ns_coefficients (3.4445, −4.775, 2.0315)   ε eps (1e-7)   k ns_steps (5)
            f adjust_lr_fn for a matrix of A rows and B columns: "original" or None: √max(1, A/B);
            "match_rms_adamw": 0.2 √max(A, B); "spectral_unclamped": √(A/B)
            b momentum_buffer
Memory:     one copy of the parameters.
Errors:     ValueError for a negative γ, λ or μ, an unknown f, parameters that are no matrices, k ≥ 100 and other
            than three coefficients; RuntimeError for sparse gradients and complex parameters.
Reference:  torch.optim.Muon. Differs: nothing.
Source:     Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, Muon: an optimizer for hidden layers in
            neural networks (2024); "match_rms_adamw": Liu et al., Muon is scalable for LLM training (2025).
"""

import math
from typing import Any

import torch
from torch import Tensor

from scratch.optim.optimizer import Optimizer, Params, check, options
from scratch.optim.rule import Rule

FACTORS = {
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
    "spectral_unclamped": lambda rows, columns: math.sqrt(rows / columns),
}


def orthogonalize(u: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The nearest orthogonal matrix, by iterating (6). The cheaper product has the smaller side in the middle, so that
    a tall u is transposed."""
    check(steps < 100, "Number of steps must be less than 100 for computational efficiency")
    check(len(coefficients) == 3, "Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = u.size(0) > u.size(1)
    x = u.to(torch.bfloat16)
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        A = x @ x.T
        x = torch.addmm(x, torch.addmm(A, A, A, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def muon(
    theta, g, b, *, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn
):  # fmt: skip
    b = b.lerp(g, 1 - momentum)  # (1)
    u = g.lerp(b, momentum) if nesterov else b  # (2)
    o = orthogonalize(u, ns_coefficients, ns_steps, eps).to(theta.dtype)  # (3)
    f = FACTORS[adjust_lr_fn or "original"](*theta.shape)
    theta = theta - lr * weight_decay * theta  # (4)
    return theta - lr * f * o, b  # (5)


class Muon(Optimizer):
    rule = Rule(muon, elementwise=False)
    states = "b: momentum_buffer"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
        check(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        check(momentum >= 0.0, f"momentum should be >= 0 but is: {momentum}")
        check(weight_decay >= 0.0, f"weight decay should be >= 0 but is: {weight_decay}")
        check(
            adjust_lr_fn is None or adjust_lr_fn in FACTORS,
            f"Adjust learning rate function {adjust_lr_fn} is not supported",
        )
        super().__init__(params, options(locals()))
        for group in self.param_groups:
            for param in group["params"]:
                check(
                    param.ndim == 2,
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {param.size()}",
                )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if param.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": torch.zeros_like(param)}
