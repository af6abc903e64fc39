"""What the tests of zoo/ have in common: a short training, called as a function."""

from typing import Any

import pytest

from tests.zoo.runs import PLAIN, SHORT, checkpoint, composed
from zoo.training import run


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains a small perceptron as the words say; gives the last checkpoint."""
    monkeypatch.chdir(tmp_path)

    def train(folder: str, *words: str) -> dict[str, Any]:
        run.train(composed(*PLAIN, *SHORT, f"paths.run={folder}", *words))
        return checkpoint(folder)

    return train
