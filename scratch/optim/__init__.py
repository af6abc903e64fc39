"""torch.optim's optimizers with every update written out, and some that torch lacks: the index.

The first have the arguments, defaults and ``state_dict`` layout of their namesakes in torch.optim, so that
training can change from one to the other in mid-run. A page is one optimizer: its recurrence, then the same
as code. Full-batch, mini-batch and stochastic gradient descent are ``SGD`` with three batch sizes.
"""

# ruff: noqa: I001  (in order of complexity, not of names)
from scratch.optim.optimizer import Optimizer
from scratch.optim.sgd import SGD
from scratch.optim.nesterov import Nesterov
from scratch.optim.asgd import ASGD
from scratch.optim.rprop import Rprop
from scratch.optim.delta_bar_delta import DeltaBarDelta
from scratch.optim.adagrad import Adagrad
from scratch.optim.rmsprop import RMSprop
from scratch.optim.adadelta import Adadelta
from scratch.optim.adam import Adam, AdamW
from scratch.optim.adamax import Adamax
from scratch.optim.nadam import NAdam
from scratch.optim.radam import RAdam
from scratch.optim.adabound import AdaBound
from scratch.optim.swats import SWATS
from scratch.optim.sparse_adam import SparseAdam
from scratch.optim.adafactor import Adafactor
from scratch.optim.muon import Muon
from scratch.optim.newton import Newton
from scratch.optim.conjugate_gradient import ConjugateGradient
from scratch.optim.lbfgs import LBFGS

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "SWATS",
    "AdaBound",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ConjugateGradient",
    "DeltaBarDelta",
    "Muon",
    "NAdam",
    "Nesterov",
    "Newton",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
]
