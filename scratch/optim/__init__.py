"""torch.optim's optimizers with every update written out: the index, from the simplest to the most involved.

Each has the arguments, defaults and ``state_dict`` layout of its namesake in torch.optim, so that training
can change from one to the other in mid-run. A page is one optimizer: its recurrence, then the same as code.
"""

from scratch.optim.adam import Adam, AdamW
from scratch.optim.optimizer import Optimizer
from scratch.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
