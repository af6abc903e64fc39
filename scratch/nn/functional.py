"""The ops under torch.nn.functional's names and signatures."""

from scratch.ops.activation import tanh
from scratch.ops.conv import conv2d
from scratch.ops.graph import gcn_adjacency, gcn_conv, propagate, readout, rgcn_adjacency, rgcn_conv
from scratch.ops.linear import linear
from scratch.ops.pad import pad
from scratch.ops.pool import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "conv2d",
    "gcn_adjacency",
    "gcn_conv",
    "linear",
    "max_pool2d",
    "pad",
    "propagate",
    "readout",
    "rgcn_adjacency",
    "rgcn_conv",
    "tanh",
]
