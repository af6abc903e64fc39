"""Layers, losses and optimizers from primitive tensor operations, every backward pass written by hand.

scratch.ops      the mathematics: one op, or one tight family, a file
scratch.nn       torch.nn's names on top of it: parameters, initialisation, argument checks
scratch.optim    torch.optim's names: one update rule a file
scratch.convert  somebody's model on them: convert(module), and back: revert(module)
scratch.audit    what a model leaves to torch's own kernels: audit(module, input)
scratch.primitive  what is a primitive operation
scratch.testing  the harness that compares any package with a reference, number by number
"""

from scratch.audit import audit
from scratch.convert import by_hand, convert, revert
from scratch.ops.core.forms import compiled, plain

__version__ = "0.1.0"

__all__ = ["audit", "by_hand", "compiled", "convert", "plain", "revert"]
