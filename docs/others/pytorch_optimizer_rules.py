"""The rules of pytorch_optimizer under torch.optim's names, and those that torch has not."""

import lion_pytorch
from pytorch_optimizer import SGDW, AdaBelief, Lion, RAdam  # noqa: F401
from pytorch_optimizer import AdaDelta as Adadelta  # noqa: F401
from pytorch_optimizer import AdaFactor as Adafactor  # noqa: F401
from pytorch_optimizer import AdaMax as Adamax  # noqa: F401
from torch.optim import SGD

from scratch.testing import optimizer_case

CASES = [
    optimizer_case("Lion", lr=0.01).but(reference=lambda params, lr: lion_pytorch.Lion(params, lr)),
    optimizer_case("SGDW", lr=0.1, momentum=0.9).but(reference=SGD),
]
