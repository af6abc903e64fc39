"""What models with a choice of normalisation have in common: its names, its layers for maps, and the batches that batch
norm can take."""

from typing import Any

from torch.nn import Module

from zoo.core.errors import UsageError

NORMS = ("none", "batch", "layer")


def norm_of_maps(nn: Any, norm: str, maps: int) -> Module:
    """The normalisation of (N, maps, S, S) by its name; "layer" is over all maps and pixels of a picture."""
    if norm == "batch":
        return nn.BatchNorm2d(maps)
    return nn.Identity() if norm == "none" else nn.GroupNorm(1, maps)


def check_batches(norm: str, data: Any) -> None:
    """Raise UsageError where a training batch holds a single picture, of which batch norm has no variance."""
    if norm != "batch":
        return
    pictures, size = len(data.splits["train"].labels), data.batch_size
    if size == 1 or pictures % size == 1:
        raise UsageError(
            f"data.batch_size={size}: of {pictures} training pictures one is left alone in a batch; "
            "model.norm=batch needs two or more"
        )
