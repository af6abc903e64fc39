"""The table of what is compared with torch.nn: a file for each op or layer, under the stem of its page.

Each file has CASES, which the candidate must compute as the reference does, and BAD_ARGUMENTS, which it must refuse as
the reference does. ``optim.py`` has the same for optimizers, whose cases are of another kind.
"""

from importlib import import_module
from pkgutil import iter_modules

from scratch.testing.calls import Case

FAMILIES = {name: import_module(f"{__name__}.{name}") for _, name, _ in iter_modules(__path__) if name != "optim"}
CASES: list[Case] = [case for family in FAMILIES.values() for case in family.CASES]
BAD_ARGUMENTS: list[Case] = [case for family in FAMILIES.values() for case in family.BAD_ARGUMENTS]
