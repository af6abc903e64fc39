"""L-BFGS: Newton's direction, from a Hessian that the last m changes of the gradient reveal.

With s = the last change of θ and y = that of the gradient, kept for the last m steps where yᵀs > 1e-10:

    q ← −g;  newest to oldest:  αᵢ = sᵢᵀq / yᵢᵀsᵢ,  q ← q − αᵢ yᵢ        (1)
    d ← h q,  h = yᵀs / yᵀy  of the newest; 1 at first                   (2)
    oldest to newest:  d ← d + sᵢ (αᵢ − yᵢᵀd / yᵢᵀsᵢ)                    (3)
    θ ← θ + t d                                                          (4)

t is γ, or found by the strong Wolfe conditions starting from γ; on the very first iteration γ min(1, 1/‖g‖₁).
One ``step`` iterates until max_iter, max_eval, ‖g‖∞ ≤ tolerance_grad, or a change of θ or of the loss below
tolerance_change.

Symbols:    γ lr (1)   max_iter (20)   max_eval (max_iter · 5/4)   tolerance_grad (1e-7)
            tolerance_change (1e-9)   m history_size (100)   line_search_fn (None or "strong_wolfe")
            y old_dirs   s old_stps   1/yᵀs ro   h H_diag   α al
            maximize turns the sign of loss and gradient.
Memory:     2 m + 3 copies of the parameters.
Errors:     ValueError for a negative γ and for several parameter groups; RuntimeError for another line search.
Reference:  torch.optim.LBFGS. Differs: a cubic that has no finite minimum is bisected (torch goes on with NaN).
Source:     Nocedal, Updating quasi-Newton matrices with limited storage (1980); Liu and Nocedal, On the limited
            memory BFGS method for large scale optimization (1989).
"""

import torch
from torch import Tensor

from scratch.optim.line_search import Trial, strong_wolfe
from scratch.optim.optimizer import Params, check_lr, number, options
from scratch.optim.vector import VectorOptimizer


def direction(g: Tensor, ys: list[Tensor], ss: list[Tensor], ro: list[Tensor], h) -> tuple[Tensor, list]:
    """−H g for the inverse Hessian H that ys and ss describe, and the α of the first loop."""
    q = -g
    al: list[Tensor] = []
    for y, s, r in zip(reversed(ys), reversed(ss), reversed(ro), strict=True):
        al.insert(0, s.dot(q) * r)
        q.add_(y, alpha=-float(al[0]))  # (1)
    d = q * h  # (2)
    for y, s, r, a in zip(ys, ss, ro, al, strict=True):
        d.add_(s, alpha=float(a - y.dot(d) * r))  # (3)
    return d, al


class LBFGS(VectorOptimizer):
    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, options(locals()))

    @torch.no_grad()
    def step(self, closure):  # type: ignore[override]  # not without a closure
        """Iterate from where the parameters are. Returns the loss there, as the closure gave it."""
        closure = torch.enable_grad()(closure)
        if not self.params:
            return closure()
        group = self.param_groups[0]
        lr, change = number(group["lr"]), group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state[self.params[0]]  # where torch keeps what belongs to all parameters
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss, g = self.sign * float(first_loss), self.gradient()
        evaluations = 1
        state["func_evals"] += 1
        if g.abs().max() <= group["tolerance_grad"]:
            return first_loss
        ys, ss, ro, h = (state.get(key) for key in ("old_dirs", "old_stps", "ro", "H_diag"))
        d, t, g_before = (state.get(key) for key in ("d", "t", "prev_flat_grad"))

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, ys, ss, ro, h = -g, [], [], [], 1
            else:
                y, s = g - g_before, d * t
                curvature = y.dot(s)
                if curvature > 1e-10:
                    if len(ys) == group["history_size"]:
                        del ys[0], ss[0], ro[0]
                    ys.append(y)
                    ss.append(s)
                    ro.append(1 / curvature)
                    h = curvature / y.dot(y)
                d, al = direction(g, ys, ss, ro, h)
                state["al"] = al + [None] * (group["history_size"] - len(al))
            g_before, loss_before = g, loss
            t = lr * min(1.0, 1 / g.abs().sum()) if state["n_iter"] == 1 else lr
            slope = g.dot(d)
            if slope > -change:
                break

            if group["line_search_fn"]:
                found, trials = strong_wolfe(
                    self.along(d, closure),
                    Trial(0.0, loss, g, slope),
                    t,
                    tolerance=change / float(d.abs().max()),
                    max_trials=group["max_eval"] - evaluations,
                )
                t, loss, g = found.t, found.f, found.g
                self.move(t, d)  # (4)
            else:
                self.move(t, d)  # (4)
                trials = int(iteration < group["max_iter"])  # the last gradient would not be used
                if trials:
                    loss, g = self.sign * float(closure()), self.gradient()
            evaluations += trials
            state["func_evals"] += trials

            if (
                evaluations >= group["max_eval"]
                or g.abs().max() <= group["tolerance_grad"]
                or (d * t).abs().max() <= change
                or abs(loss - loss_before) < change
            ):
                break

        state.update(d=d, t=t, old_dirs=ys, old_stps=ss, ro=ro, H_diag=h)
        state.update(prev_flat_grad=g_before, prev_loss=loss_before)
        return first_loss
