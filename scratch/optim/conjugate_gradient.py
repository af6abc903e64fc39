"""Nonlinear conjugate gradient: each direction keeps what the last ones have won.

    β = max(0, gᵀ(g − g₋) / g₋ᵀg₋)                                       (1)    Polak-Ribière, never negative
    d ← −g + β d                                                         (2)
    θ ← θ + t d,  t by the strong Wolfe conditions                       (3)    see line_search.py

β = 0, which starts again with d = −g: on the first iteration, after as many iterations as there are parameters,
where (1) says so, and where (2) would not lead downhill. The first trial for t is γ min(1, 1/‖g‖₁) after such a
start, and otherwise the last t times the last slope over this one. On a quadratic with n parameters and an exact
line search (curvature → 0) iteration n arrives.
One ``step`` iterates until max_iter, max_eval, ‖g‖∞ ≤ tolerance_grad, or a change of θ or of the loss below
tolerance_change.

Symbols:    γ lr (1)   max_iter (20)   max_eval (max_iter · 5/2)   tolerance_grad (1e-7)
            tolerance_change (1e-9)   c₂ curvature (0.1)
            g₋ prev_grad   d direction   t step_size   slope   since_restart: iterations
            maximize turns the sign of loss and gradient.
Memory:     two copies of the parameters, and a third within a step.
Errors:     ValueError for a negative γ, for c₂ outside (0, 1) and for several parameter groups.
Reference:  none in torch; SciPy's fmin_cg is the same rule.
Source:     Polak and Ribière, Note sur la convergence de méthodes de directions conjuguées (1969); Nocedal and
            Wright, Numerical optimization, algorithm 5.4 and equations 5.45 and 3.60 (2006).
"""

import torch
from torch import Tensor

from scratch.optim.line_search import Trial, strong_wolfe
from scratch.optim.optimizer import Params, check, check_lr, number, options
from scratch.optim.vector import VectorOptimizer


def direction(g: Tensor, g_before: Tensor | None, d: Tensor | None) -> tuple[Tensor, bool]:
    """The new direction, and whether it starts again."""
    if g_before is not None and d is not None:
        beta = g.dot(g - g_before) / g_before.dot(g_before)  # (1)
        conjugate = beta * d - g  # (2)
        if beta > 0 and g.dot(conjugate) < 0:
            return conjugate, False
    return -g, True


class ConjugateGradient(VectorOptimizer):
    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        curvature: float = 0.1,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 < curvature < 1.0, f"Invalid curvature: {curvature}")
        if max_eval is None:
            max_eval = max_iter * 5 // 2
        super().__init__(params, options(locals()))

    @torch.no_grad()
    def step(self, closure):  # type: ignore[override]  # not without a closure
        """Iterate from where the parameters are. Returns the loss there, as the closure gave it."""
        closure = torch.enable_grad()(closure)
        group, state = self.param_groups[0], self.state[self.params[0]]
        lr, change = number(group["lr"]), group["tolerance_change"]
        first_loss = closure()
        loss, g = self.sign * float(first_loss), self.gradient()
        evaluations = 1
        for _ in range(group["max_iter"]):
            if g.abs().max() <= group["tolerance_grad"] or evaluations >= group["max_eval"]:
                break
            stale = state.get("since_restart", 0) >= len(g)
            d, restart = direction(g, None if stale else state.get("prev_grad"), state.get("direction"))
            slope = float(g.dot(d))
            if restart:
                t = lr * min(1.0, 1 / float(g.abs().sum()))
            else:
                t = state["step_size"] * state["slope"] / slope
            start = Trial(0.0, loss, g, slope)
            found, trials = strong_wolfe(
                self.along(d, closure),
                start,
                t,
                c2=group["curvature"],
                tolerance=change / float(d.abs().max()),
                max_trials=group["max_eval"] - evaluations,
            )
            self.move(found.t, d)  # (3)
            evaluations += trials
            state.update(
                prev_grad=g,
                direction=d,
                step_size=found.t,
                slope=slope,
                since_restart=1 if restart else state["since_restart"] + 1,
            )
            loss, g = found.f, found.g
            if found.t * float(d.abs().max()) <= change or abs(loss - start.f) < change:
                break
        return first_loss
