"""eˣ as 2 to the power x log₂ e, and tanh x as 2σ(2x) − 1.

torch.exp2 takes a third of the time of torch.exp on the CPU, a tenth where results are so small that they lose
digits, which a softmax is full of. Rounding x log₂ e costs |x| ε of relative accuracy; where it matters, in a
softmax or a density, x ≤ 0 and the result is as small as the error is large.

torch.tanh calls Intel's MKL, which on an AMD processor takes four times as long as torch.sigmoid and the two passes
around it. 2σ(2x) − 1 is right to ε, but not to ε |x|: good enough for a recurrent layer's states, which are added to
numbers of size 1.
"""

import math

import torch
from torch import Tensor

LOG2_E = math.log2(math.e)
MINUS_ONE = torch.tensor(-1.0)


def largest(x: Tensor, dim: int) -> Tensor:
    """max x along a dimension, which it keeps, to be taken away before exp; 0 where there is nothing."""
    return x.amax(dim, keepdim=True) if x.shape[dim] else x.sum(dim, keepdim=True)


def exp(x: Tensor) -> Tensor:
    return (x * LOG2_E).exp2_()


def exp_(x: Tensor) -> Tensor:
    """In x's own place."""
    return x.mul_(LOG2_E).exp2_()


def tanh_into(out: Tensor, x: Tensor) -> Tensor:
    """out ← tanh x; out may be x."""
    return twice_less_one_(torch.add(x, x, out=out).sigmoid_())


def twice_less_one_(s: Tensor) -> Tensor:
    """2s − 1 in s's own place, in one pass: tanh x for s = σ(2x)."""
    return torch.add(MINUS_ONE, s, alpha=2, out=s)
