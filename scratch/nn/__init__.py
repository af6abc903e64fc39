"""torch.nn's layers and losses with hand-written gradients: the index.

Every class has the constructor, defaults, initialisation and ``state_dict`` keys of its namesake in torch.nn, so
weights move either way. A file here holds parameters and argument checks; its twin in scratch/ops the mathematics.
"""

from scratch.nn import functional
from scratch.nn.conv import Conv2d
from scratch.nn.flatten import Flatten
from scratch.nn.graph import GCNConv, Readout, RGCNConv
from scratch.nn.linear import Identity, Linear
from scratch.nn.pool import AvgPool2d, MaxPool2d

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "Flatten",
    "GCNConv",
    "Identity",
    "Linear",
    "MaxPool2d",
    "RGCNConv",
    "Readout",
    "functional",
]
