"""What the tests of zoo/ have in common: a short training, called as a function."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

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


@pytest.fixture
def undrawn(monkeypatch):
    """A picture's file is there, and nothing in it: a run's pictures take longer than a short training."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).write_bytes(b""))
