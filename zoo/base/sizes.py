"""Sizes of a model by name: ``model.size=tiny|small|base``, of which single numbers can be replaced."""

from collections.abc import Mapping
from typing import Any

from zoo.core.errors import one_of


def chosen(sizes: Mapping[str, Mapping[str, Any]], size: str, **replaced: Any) -> list[Any]:
    """The numbers of the size, in the order of `replaced`, whose values that are not None take their place.

    Raises UsageError for a size that is not in `sizes`.
    """
    one_of("model.size", size, sizes)
    return [sizes[size][name] if value is None else value for name, value in replaced.items()]
