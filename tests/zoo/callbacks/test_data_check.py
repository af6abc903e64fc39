"""The check of the training data before the first step."""

from typing import Any

import pytest
import torch

from zoo.callbacks.data_check import checked
from zoo.core.errors import UsageError


def batches(scale: float = 1.0, labels: list[int] | None = None) -> Any:
    target = torch.tensor(labels or [1, 0, 2] * 10)
    return iter([(scale * torch.randn(len(target), 5), target)])


def test_data_check():
    assert checked(batches(), 3) == []
    assert "mean square" in checked(batches(scale=1e4), 3)[0]
    assert "sorted by class" in checked(batches(labels=[0] * 15 + [1] * 15), 3)[0]
    assert "all of one class" in checked(batches(labels=[1] * 30), 3)[0]
    with pytest.raises(UsageError, match="label 2 out of range; legal are 0 to 1"):
        checked(batches(), 2)
    with pytest.raises(UsageError, match="the input of training batch 0 holds NaN"):
        checked(batches(scale=float("nan")), 3)
