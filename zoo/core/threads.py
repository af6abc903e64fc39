"""How many threads of the CPU compute."""

from typing import Any

import torch

from zoo.core.errors import whole


def use_threads(count: Any) -> None:
    """Compute with so many threads; with torch's own choice where the count is None."""
    if count is not None:
        whole("threads", count, 1)
        torch.set_num_threads(count)
