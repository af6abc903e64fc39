"""The one table of equivalence cases: what is compared with torch.nn, a file for each family of layers."""

from tests.cases import (
    activation,
    attention,
    batch_norm,
    conv,
    conv_transpose,
    dropout,
    embedding,
    graph,
    linear,
    linear_cross_entropy,
    loss,
    norm,
    other_pools,
    pad,
    pool,
    positional,
    rnn,
    softmax,
    transformer,
)

FAMILIES = [
    activation,
    attention,
    batch_norm,
    conv,
    conv_transpose,
    dropout,
    embedding,
    graph,
    linear,
    linear_cross_entropy,
    loss,
    norm,
    other_pools,
    pad,
    pool,
    positional,
    rnn,
    softmax,
    transformer,
]
CASES = [case for family in FAMILIES for case in family.CASES]
BAD_ARGUMENTS = [case for family in FAMILIES for case in family.BAD_ARGUMENTS]
