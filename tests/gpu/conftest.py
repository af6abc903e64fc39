"""On a GPU: ``pytest tests/gpu -m gpu -n 0``; to try the tests themselves out: ``--device cpu``."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
FIRST = (  # what takes long, then what tells most
    r"test_compiled",
    r"test_layers\[(outputs|gradients)-",
    r"test_no_step_waits",
    r"test_as_native",
    r"test_layers\[(float32|bfloat16|float16)-",
    r"test_layers\[(second_order|plain|repeated)-",
    r"test_steps.py",
    r"test_optimizers",
    r"test_runs.py.*(moves|bit|processes)",
)


def rank(item: pytest.Item) -> int:
    return next((i for i, words in enumerate(FIRST) if re.search(words, item.nodeid)), len(FIRST))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no GPU one test of each file says so for all."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.gpu)
    if config.getoption("--device") == "cpu" or torch.cuda.is_available():
        if ours == items:
            items.sort(key=rank)
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
