"""McCulloch and Pitts' step function, and Rosenblatt's rule, by which units of it learn.

step            ŷ = [s ≥ 0]                                                             (1)
Tangent:        ŷ˙ = 0, except at s = 0, where there is none: nothing can be learned through ŷ
Adjoint:        s̄ = 0                                                                   (2)

perceptron_loss with t = 1 for the class of an example, 0 for all others, each class a unit against the rest:
                ℓ = Σ (ŷ − t) s = Σ max(0, −s) where t = 1, max(0, s) where t = 0       (3)
Shapes:         s (N, C)   class numbers (N,)   ŷ, t (N, C)   ℓ (N,), Σ over C
Tangent:        ℓ̇ = Σ (ŷ − t) ṡ,   since ŷ˙ = 0
Adjoint:        s̄ = (ŷ − t) ℓ̄                                                          (4)

With s = w · x + b a step of gradient descent is  w ← w + η (t − ŷ) x: the perceptron's rule. A unit that errs is
moved towards its example, or away from it, and one that does not stays. Where the classes can be separated by a
plane with margin γ and |x| ≤ R, a unit that starts at 0 errs at most (R/γ)² times (Novikoff 1962).
Saved:          s, t.   Recomputed: ŷ.
Kinks:          at s = 0 the unit fires, and (4) holds.
Errors:         NotImplementedError for integers; ValueError for other shapes than the above or an unknown reduction,
                IndexError for a class outside [0, C).
Reference:      zoo.layers, since torch.nn has neither.
Source:         McCulloch and Pitts, A logical calculus of the ideas immanent in nervous activity (1943); Rosenblatt,
                The perceptron (1958); Novikoff, On convergence proofs for perceptrons (1962).
"""

import torch
from torch import Tensor

from scratch.ops.core.dtype import need_floating
from scratch.ops.core.elementwise import Elementwise
from scratch.ops.loss.cross_entropy import pick
from scratch.ops.loss.point_loss import PointLoss
from scratch.ops.loss.reduction import reduce, reduction_name


class StepFn(Elementwise):
    @staticmethod
    def value(s):
        return (s >= 0).to(s.dtype)  # (1)

    @staticmethod
    def derivative(s):
        return torch.zeros_like(s)  # (2)


class PerceptronLossFn(PointLoss):
    constants = 1

    @staticmethod
    def loss(s, t):
        return (StepFn.value(s) - t) * s  # (3)

    @staticmethod
    def derivatives(s, t):
        return (StepFn.value(s) - t,)  # (4)


def step(input: Tensor) -> Tensor:
    """1 where s ≥ 0, else 0."""
    need_floating(input.dtype, "step")
    return StepFn.apply(input)


def perceptron_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """How far the units (N, C) that err are on the wrong side, summed over classes; by default its mean over N."""
    need_floating(input.dtype, "perceptron_loss")
    if input.dim() != 2 or target.shape != input.shape[:1]:
        raise ValueError(f"scores (N, C) go with classes (N,), but got {list(input.shape)} and {list(target.shape)}")
    pick(input, target[:, None])  # which refuses a class that there is not
    t = torch.zeros_like(input).scatter_(1, target[:, None], 1)
    return reduce(PerceptronLossFn.apply(input, t, "none").sum(1), reduction_name(reduction))
