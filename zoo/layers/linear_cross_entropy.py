"""LinearCrossEntropyLoss for versions of PyTorch before 2.13, whose torch.nn lacks it."""

import math
from typing import Any

from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import cross_entropy


class LinearCrossEntropyLoss(Module):
    """CrossEntropyLoss of Linear(in_features, num_classes), for inputs (N, in_features) or (in_features).

    ``out_features`` are the dimensions (d₁, …) of a loss at several places, with targets (N, d₁, …).
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.num_classes, self.out_features = num_classes, out_features
        self.reduction, self.label_smoothing = reduction, label_smoothing
        self.ignore_index = -100 if ignore_index is None else ignore_index
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        logits = self.linear(input).unflatten(-1, (self.num_classes, *self.out_features))
        return cross_entropy(
            logits,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
