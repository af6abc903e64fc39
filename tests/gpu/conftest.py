"""On a GPU: ``pytest tests/gpu -m gpu -n 0``; to try the tests themselves out: ``--device cpu``."""

from collections import Counter
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no GPU one test of each file says so for all."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.gpu)
    if config.getoption("--device") == "cpu" or torch.cuda.is_available():
        return
    count = Counter(item.path for item in ours)
    told: set[Path] = set()
    for item in ours:
        if item.path in told:
            items.remove(item)
        else:
            told.add(item.path)
            item.add_marker(pytest.mark.skip(reason=f"no CUDA: {count[item.path]} tests of this file need a GPU"))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return torch.device(request.config.getoption("--device"))
