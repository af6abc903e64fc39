"""The table of what is compared with torch.nn: a file for each page of scratch/ops, under its stem.

Each file has CASES, which the candidate must compute as the reference does, and BAD_ARGUMENTS, which it must refuse as
the reference does. Layers without a page of their own, since they are made of others, have a file too: flatten, lazy,
adaptive_softmax, transformer. ``common.py`` holds what several files share, and ``optim.py`` has the same for
optimizers, whose cases are of another kind.
"""

from importlib import import_module
from pkgutil import iter_modules

from scratch.testing.calls import TORCH, Case

OTHERS = ("common", "optim")
FAMILIES = {name: import_module(f"{__name__}.{name}") for _, name, _ in iter_modules(__path__) if name not in OTHERS}
CASES: list[Case] = [case for family in FAMILIES.values() for case in family.CASES if case.since <= TORCH]
BAD_ARGUMENTS: list[Case] = [
    case for family in FAMILIES.values() for case in family.BAD_ARGUMENTS if case.since <= TORCH
]
