"""The ops under torch.nn.functional's names and signatures."""

from scratch.ops.activation import tanh
from scratch.ops.linear import linear

__all__ = ["linear", "tanh"]
