"""The perceptron's step function and loss: the reference of scratch/nn/perceptron.py."""

import torch
from torch import Tensor
from torch.nn import Module


class Step(Module):
    """1 where s ≥ 0, else 0 (McCulloch and Pitts 1943)."""

    def forward(self, input: Tensor) -> Tensor:
        if not input.is_floating_point():
            raise NotImplementedError(f"Step is not defined for {input.dtype}")
        return ((input.sign() + 0.5).sign() + 1) / 2  # which autograd differentiates, to 0; a comparison it does not


class PerceptronLoss(Module):
    """Σ (ŷ − t) s with ŷ the step of s, whose gradient is Rosenblatt's rule."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if input.dim() != 2 or target.shape != input.shape[:1]:
            raise ValueError(f"scores {tuple(input.shape)} do not go with classes {tuple(target.shape)}")
        if len(target) and (target.min() < 0 or target.max() >= input.shape[1]):
            raise IndexError(f"classes must be 0 to {input.shape[1] - 1}")
        error = (input >= 0).to(input.dtype) - torch.nn.functional.one_hot(target, input.shape[1])
        loss = (error * input).sum(1)
        if self.reduction not in ("none", "mean", "sum"):
            raise ValueError(f"unknown reduction {self.reduction!r}")
        return loss if self.reduction == "none" else getattr(loss, self.reduction)()
