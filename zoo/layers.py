"""The native namespace: every name of torch.nn, and the graph convolutions that torch.nn lacks."""

from typing import Any

import torch.nn


def __getattr__(name: str) -> Any:
    try:
        return getattr(torch.nn, name)
    except AttributeError:
        raise AttributeError(f"{__name__} has no {name!r}: neither torch.nn nor this file defines it") from None


def __dir__() -> list[str]:
    return sorted({*dir(torch.nn), *(name for name in globals() if not name.startswith("_"))})
