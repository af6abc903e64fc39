"""torch.optim's optimizers with every update written out: the index, from the simplest to the most involved.

Each has the arguments, defaults and ``state_dict`` layout of its namesake in torch.optim, so that training
can change from one to the other in mid-run. A page is one optimizer: its recurrence, then the same as code.
"""

# ruff: noqa: I001  (ordered by complexity, not by name)
from scratch.optim.optimizer import Optimizer
from scratch.optim.sgd import SGD
from scratch.optim.asgd import ASGD
from scratch.optim.rprop import Rprop
from scratch.optim.adagrad import Adagrad
from scratch.optim.rmsprop import RMSprop
from scratch.optim.adadelta import Adadelta
from scratch.optim.adam import Adam, AdamW
from scratch.optim.adamax import Adamax
from scratch.optim.nadam import NAdam
from scratch.optim.radam import RAdam
from scratch.optim.sparse_adam import SparseAdam
from scratch.optim.adafactor import Adafactor
from scratch.optim.muon import Muon
from scratch.optim.lbfgs import LBFGS

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
]
