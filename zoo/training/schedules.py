"""Schedules of the learning rate that torch lacks, on its LambdaLR."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_inverse_sqrt(optimizer: Optimizer, warmup: int) -> LambdaLR:
    """The rate of step t (from 1) is lr · min(t / warmup, √(warmup / t)): up to lr, then down with 1/√t.

    Source: Vaswani et al., Attention is all you need (2017), equation 3, with lr for d_model^−½ · warmup^−½.
    """
    return LambdaLR(optimizer, lambda done: min((done + 1) / warmup, (warmup / (done + 1)) ** 0.5))
