"""LinearCrossEntropyLoss: the last linear layer of a classifier and its loss in one; the mathematics is in
scratch/ops/loss/linear_cross_entropy.py."""

import math
from typing import Any

from torch import Tensor, nn

from scratch.nn import functional as F
from scratch.nn.linear import Linear
from scratch.nn.loss import _WeightedLoss

Namesake: Any = getattr(nn, "LinearCrossEntropyLoss", nn.Module)  # younger than the oldest torch we go with


class LinearCrossEntropyLoss(_WeightedLoss, Namesake):
    """CrossEntropyLoss of Linear(in_features, num_classes), whose outputs are never held all at once.

    ``out_features`` are the dimensions (d₁, …) of a loss at several places, with targets (N, d₁, …).
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device=None,
        dtype=None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(f"weight must have {num_classes} classes, but has shape {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"label_smoothing must be between 0 and 1, but is {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        names = ("num_classes", "out_features", "bias", "reduction", "ignore_index", "label_smoothing", "options")
        values = {**self.__dict__, "bias": self.linear.bias is not None}
        return ", ".join([f"in_features={self.linear.in_features}", *(f"{name}={values[name]}" for name in names)])
