"""The ops under torch.nn.functional's names and signatures."""

from scratch.ops.activation import gelu, leaky_relu, logsigmoid, relu, sigmoid, tanh
from scratch.ops.attention import scaled_dot_product_attention
from scratch.ops.binary_cross_entropy import binary_cross_entropy_with_logits
from scratch.ops.conv import conv2d
from scratch.ops.cross_entropy import cross_entropy, nll_loss
from scratch.ops.dropout import dropout
from scratch.ops.embedding import embedding
from scratch.ops.graph import (
    gcn_adjacency,
    gcn_conv,
    propagate,
    readout,
    rgcn_adjacency,
    rgcn_conv,
    sparse,
    sparse_dropout,
)
from scratch.ops.layer_norm import layer_norm
from scratch.ops.linear import linear
from scratch.ops.linear_cross_entropy import linear_cross_entropy
from scratch.ops.multi_head_attention import multi_head_attention_forward
from scratch.ops.pad import pad
from scratch.ops.pool import avg_pool2d, max_pool2d
from scratch.ops.positional import add_positions
from scratch.ops.regression_loss import mse_loss
from scratch.ops.rms_norm import rms_norm
from scratch.ops.softmax import log_softmax, softmax

__all__ = [
    "add_positions",
    "avg_pool2d",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gcn_adjacency",
    "gcn_conv",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "linear",
    "linear_cross_entropy",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mse_loss",
    "multi_head_attention_forward",
    "nll_loss",
    "pad",
    "propagate",
    "readout",
    "relu",
    "rgcn_adjacency",
    "rgcn_conv",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "softmax",
    "sparse",
    "sparse_dropout",
    "tanh",
]
