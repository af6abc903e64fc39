"""The ops under torch.nn.functional's names and signatures; a name that ends in _ works in the place of its input."""

from functools import partial

import torch.fx

from scratch.nn.functional.attention import multi_head_attention_forward, scaled_dot_product_attention
from scratch.nn.functional.bilinear import bilinear
from scratch.nn.functional.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    unfold,
)
from scratch.nn.functional.distance import cosine_similarity, normalize, pdist
from scratch.nn.functional.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from scratch.nn.functional.embedding import embedding, embedding_bag, one_hot
from scratch.nn.functional.graph import (
    gat_conv,
    gcn_adjacency,
    gcn_conv,
    propagate,
    readout,
    rgcn_adjacency,
    rgcn_conv,
    sage_adjacency,
    sage_conv,
    sparse,
    sparse_dropout,
    with_loops,
)
from scratch.nn.functional.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from scratch.nn.functional.pad import pad
from scratch.nn.functional.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    fractional_max_pool2d,
    fractional_max_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from scratch.nn.functional.radial_basis import radial_basis
from scratch.nn.functional.resample import (
    affine_grid,
    channel_shuffle,
    grid_sample,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
)
from scratch.ops.activation.gated import gelu, glu, hardswish, mish, silu
from scratch.ops.activation.prelu import prelu
from scratch.ops.activation.rectifier import celu, elu, leaky_relu, relu, relu6, rrelu, selu, threshold
from scratch.ops.activation.shrinkage import hardshrink, softshrink, tanhshrink
from scratch.ops.activation.sigmoid import hardsigmoid, hardtanh, logsigmoid, sigmoid, softplus, softsign, tanh
from scratch.ops.activation.softmax import gumbel_softmax, log_softmax, softmax, softmin
from scratch.ops.attention.alignment import additive_scores, aligned, multiplicative_scores
from scratch.ops.attention.positional import add_positions
from scratch.ops.distance import pairwise_distance
from scratch.ops.linear import linear
from scratch.ops.loss.binary_cross_entropy import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multilabel_soft_margin_loss,
)
from scratch.ops.loss.cross_entropy import cross_entropy, nll_loss
from scratch.ops.loss.ctc import ctc_loss
from scratch.ops.loss.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from scratch.ops.loss.linear_cross_entropy import linear_cross_entropy
from scratch.ops.loss.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from scratch.ops.loss.perceptron import perceptron_loss, step
from scratch.ops.loss.regression_loss import huber_loss, l1_loss, mse_loss, smooth_l1_loss

celu_, elu_, hardtanh_, leaky_relu_, relu_, rrelu_, selu_, threshold_ = (
    partial(function, inplace=True) for function in (celu, elu, hardtanh, leaky_relu, relu, rrelu, selu, threshold)
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add_positions",
    "additive_scores",
    "affine_grid",
    "aligned",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gat_conv",
    "gaussian_nll_loss",
    "gcn_adjacency",
    "gcn_conv",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "multiplicative_scores",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "perceptron_loss",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "propagate",
    "radial_basis",
    "readout",
    "relu",
    "relu6",
    "relu_",
    "rgcn_adjacency",
    "rgcn_conv",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "sage_adjacency",
    "sage_conv",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "sparse",
    "sparse_dropout",
    "step",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "with_loops",
]

for name in __all__:
    if not name.endswith("_"):
        torch.fx.wrap(name)  # functional.name(…) is one node of the graph of torch.fx.symbolic_trace, as torch.nn's is
