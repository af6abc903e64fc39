"""What LBFGS, conjugate gradient and Newton share: all parameters as one vector θ, and a closure to look ahead.

The closure clears the gradients, computes the loss, calls backward and returns the loss; ``step`` calls it as
often as the rule asks for the loss at another θ. There is one parameter group, and parameters without a gradient
have gradient zero. Complex parameters are pairs of real ones.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scratch.optim.line_search import Trial
from scratch.optim.optimizer import Optimizer, Params, check


def real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


class VectorOptimizer(Optimizer):
    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        name = type(self).__name__
        check(
            len(self.param_groups) == 1,
            f"{name} doesn't support per-parameter options (parameter groups)",
        )

    @property
    def params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    @property
    def sign(self) -> int:
        return -1 if self.param_groups[0].get("maximize") else 1

    def gradient(self) -> Tensor:
        """The gradients of all parameters, end to end."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in self.params]
        return self.sign * torch.cat([real(grad).reshape(-1) for grad in grads])

    def move(self, t: Any, d: Tensor) -> None:
        """θ ← θ + t d."""
        sizes = [real(p).numel() for p in self.params]
        for param, part in zip(self.params, d.split(sizes), strict=True):
            real(param).add_(part.view_as(real(param)), alpha=t)

    def along(self, d: Tensor, closure: Callable[[], Any]) -> Callable[[Any], Trial]:
        """A function of t: loss, gradient and slope at θ + t d. It leaves the parameters where they are."""
        here = [p.clone() for p in self.params]

        def evaluate(t: float) -> Trial:
            self.move(t, d)
            loss, g = self.sign * float(closure()), self.gradient()
            for param, value in zip(self.params, here, strict=True):
                param.copy_(value)
            return Trial(t, loss, g, g.dot(d))

        return evaluate
