"""The optimizers of timm under torch.optim's names, and those that torch has not."""

import lion_pytorch
import torch
from timm.optim import SGDW, AdaBelief, Adafactor, Lion  # noqa: F401
from timm.optim import AdamWLegacy as AdamW  # noqa: F401
from timm.optim import NAdamLegacy as NAdam  # noqa: F401
from timm.optim import RAdamLegacy as RAdam  # noqa: F401
from timm.optim import RMSpropTF as RMSprop  # noqa: F401

from scratch.testing import optimizer_case

CASES = [
    optimizer_case("Lion", lr=0.01, weight_decay=0.1).but(
        reference=lambda params, lr, weight_decay: lion_pytorch.Lion(params, lr, weight_decay=weight_decay)
    ),
    optimizer_case("SGDW", lr=0.1, momentum=0.9).but(reference=torch.optim.SGD),
]
