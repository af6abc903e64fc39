"""One-hot: class number i as a row of zeros with a 1 at place i.

Shapes:     i (…) int   y (…, C) int
Formula:    y[…, c] = 1 where c = i, else 0
Tangent:    none, since whole numbers have none.
Errors:     see scratch/nn/functional/embedding.py.
Reference:  torch.nn.functional.one_hot. Differs: nothing.
"""

import torch
from torch import Tensor


def one_hot(i: Tensor, C: int) -> Tensor:
    """(…) to (…, C). See the module's page."""
    return (i.unsqueeze(-1) == torch.arange(C, device=i.device)).long()
