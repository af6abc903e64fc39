"""The check that a layer or an optimizer is from scratch: see scratch/primitive.py for what that means."""

import torch
from torch import Generator, Tensor

from scratch.primitive import Audit
from scratch.testing.calls import Case
from scratch.testing.compare import Check, mapped, named
from scratch.testing.optimizers import OptimizerCase, Run
from scratch.testing.packages import Namespace
from scratch.testing.running import Layer, differentiable_leaves, random

PURITY_CHECKS: dict[str, Check] = {}


@named(PURITY_CHECKS)
def purity(case: Case | OptimizerCase, candidate: Namespace, reference: Namespace) -> float:
    """The candidate's forward and backward pass, or its steps, are made of primitive operations only."""
    if isinstance(case, OptimizerCase):
        optimizer = Run(case, candidate)
        with Audit():
            for number in range(3):
                optimizer.step(number)
    else:
        layer = Layer(case, candidate, like=case.reference or reference)
        for train in (True, False):
            inputs, tensors = layer.draw()
            inputs = mapped(Tensor.clone, inputs)
            with Audit():
                outputs = list(differentiable_leaves(layer(*inputs, train=train)).values())
                if outputs:
                    upstream = [random(t, Generator()) for t in outputs]
                    torch.autograd.grad(outputs, list(tensors.values()), upstream, allow_unused=True)
    return 0.0
