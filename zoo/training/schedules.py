"""Schedules of the learning rate that torch does not have."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_inverse_sqrt(optimizer: Optimizer, warmup: int) -> LambdaLR:
    """Raise the learning rate to lr in `warmup` steps, then lower it with 1/√t.

    At step t = 1, 2, … it is lr · min(t / warmup, √(warmup / t)).

    Source: Vaswani et al., Attention is all you need (2017), equation 3, where lr is d_model^−½ · warmup^−½.
    """
    return LambdaLR(optimizer, lambda done: min((done + 1) / warmup, (warmup / (done + 1)) ** 0.5))
