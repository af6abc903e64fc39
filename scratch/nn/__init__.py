"""torch.nn's layers and losses with hand-written gradients: the index.

Every class has the constructor, defaults, initialisation and ``state_dict`` keys of its namesake in torch.nn, so
weights move either way. A file here holds parameters and argument checks; its twin in scratch/ops the mathematics.
"""

from scratch.nn import functional
from scratch.nn.linear import Identity, Linear

__all__ = ["Identity", "Linear", "functional"]
