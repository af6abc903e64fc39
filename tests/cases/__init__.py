"""The one table of equivalence cases: what is compared with torch.nn, a file for each family of layers."""

from tests.cases import linear

CASES = [*linear.CASES]
BAD_ARGUMENTS = [*linear.BAD_ARGUMENTS]
