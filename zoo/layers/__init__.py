"""The native namespace: every name of torch.nn, and the layers that torch.nn lacks.

The latter are written with PyTorch's own operations and differentiated by autograd. They are the reference for the
layers of the same names in scratch/nn: same constructors, initial values and ``state_dict``.
"""

from typing import Any

import torch.nn

from zoo.layers.alignment import AdditiveAttention, MultiplicativeAttention
from zoo.layers.graph import GATConv, GCNConv, Readout, RGCNConv, SAGEConv, SparseDropout
from zoo.layers.perceptron import PerceptronLoss, Step
from zoo.layers.positional import LearnedPositions, SinusoidalPositions
from zoo.layers.radial_basis import RadialBasis
from zoo.layers.scaled_dot_product import ScaledDotProductAttention

__all__ = [
    "AdditiveAttention",
    "GATConv",
    "GCNConv",
    "LearnedPositions",
    "MultiplicativeAttention",
    "PerceptronLoss",
    "RGCNConv",
    "RadialBasis",
    "Readout",
    "SAGEConv",
    "ScaledDotProductAttention",
    "SinusoidalPositions",
    "SparseDropout",
    "Step",
]

if not hasattr(torch.nn, "LinearCrossEntropyLoss"):
    from zoo.layers.linear_cross_entropy import LinearCrossEntropyLoss

    __all__ += ["LinearCrossEntropyLoss"]


def __getattr__(name: str) -> Any:
    try:
        return getattr(torch.nn, name)
    except AttributeError:
        raise AttributeError(f"{__name__} has no {name!r}: neither torch.nn nor this package defines it") from None


def __dir__() -> list[str]:
    return sorted({*dir(torch.nn), *__all__})
